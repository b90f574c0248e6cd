//! How the bytes of one input are taken apart: a first line of choices, then what is read.
//!
//! So a corpus file is the wire format itself under one line, and can be read and written by hand.

/// One input.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The first line, without its line feed.
    pub choices: &'a [u8],
    /// Everything behind it.
    pub body: &'a [u8],
}

impl<'a> Input<'a> {
    /// Takes an input apart. Without a line feed there are no choices.
    pub fn of(data: &'a [u8]) -> Self {
        match data.iter().position(|&byte| byte == b'\n') {
            Some(end) => Self { choices: &data[..end], body: &data[end + 1..] },
            None => Self { choices: &[], body: data },
        }
    }

    /// One choice; `0` where none was made.
    pub fn choice(&self, at: usize) -> u8 {
        self.choices.get(at).copied().unwrap_or(b'0')
    }

    /// The body in pieces, as long as the digits of the first line from `from` on say, over and over: `'0'` is an empty
    /// piece, `'5'` one of five bytes, a letter one of some dozens.
    pub fn pieces(&self, from: usize) -> Vec<&'a [u8]> {
        pieces(self.body, self.choices.get(from..).unwrap_or_default())
    }
}

/// Cuts bytes into pieces of the given lengths, over and over.
pub fn pieces<'a>(bytes: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    // Pieces of nothing alone would never end.
    let lengths = if lengths.iter().all(|length| *length == b'0') { b"1" } else { lengths };
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(usize::from(length.wrapping_sub(b'0')).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}
