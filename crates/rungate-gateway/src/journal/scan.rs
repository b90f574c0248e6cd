//! Finds the frames of a segment whose end, or middle, may be damaged.

use std::collections::VecDeque;
use std::ops::Range;

use super::frame::{FrameError, Header, MAGIC};

/// Where a frame lies in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Located {
    /// Its sequence.
    pub(super) sequence: u64,
    /// Its first byte in the file.
    pub(super) offset: u64,
    /// Its bytes in the file.
    pub(super) bytes: u64,
}

/// What a segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Intact frames, in order.
    pub(super) frames: VecDeque<Located>,
    /// Bytes that belong to no intact frame, in order.
    pub(super) gaps: Vec<Range<usize>>,
}

/// The segment was written by a newer version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Newer(pub(super) u8);

/// Finds every intact frame in the bytes of one segment whose sequence is above `last`.
///
/// After damage the next intact frame is searched for, so that nothing behind the damage is lost.
pub(super) fn scan(bytes: &[u8], last: u64) -> Result<Scan, Newer> {
    let mut scan = Scan::default();
    let mut cursor = Cursor { bytes, last, salt: None };
    let mut at = 0;
    while at < bytes.len() {
        match cursor.look(at)? {
            Found::Intact(frame) => {
                at += frame;
                scan.frames.push_back(Located {
                    sequence: cursor.last,
                    offset: (at - frame) as u64,
                    bytes: frame as u64,
                });
            }
            Found::Damaged(next) => {
                match scan.gaps.last_mut() {
                    Some(gap) if gap.end == at => gap.end = next,
                    _ => scan.gaps.push(at..next),
                }
                at = next;
            }
        }
    }
    Ok(scan)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    /// Sequence of the last intact frame.
    last: u64,
    /// The salt of the segment, once an intact frame has told it.
    salt: Option<u64>,
}

enum Found {
    /// A frame of this many bytes.
    Intact(usize),
    /// None; look again here.
    Damaged(usize),
}

impl Cursor<'_> {
    fn look(&mut self, at: usize) -> Result<Found, Newer> {
        let rest = &self.bytes[at..];
        let header = match Header::parse(rest) {
            Ok(header) if self.belongs(header) => header,
            Err(FrameError::Newer(version)) if self.salt.is_none() && at == 0 => return Err(Newer(version)),
            Ok(_) | Err(_) => return Ok(Found::Damaged(self.next_magic(at + 1))),
        };
        let Some(frame) = usize::try_from(header.frame_bytes()).ok().and_then(|length| rest.get(..length))
        else {
            // Torn: the header can be trusted, so all that follows was to be its payload.
            return Ok(Found::Damaged(self.bytes.len()));
        };
        if !header.verifies(frame) {
            return Ok(Found::Damaged(at + frame.len()));
        }
        self.salt = Some(header.salt);
        self.last = header.sequence;
        Ok(Found::Intact(frame.len()))
    }

    fn belongs(&self, header: Header) -> bool {
        header.sequence > self.last && self.salt.is_none_or(|salt| salt == header.salt)
    }

    fn next_magic(&self, from: usize) -> usize {
        let found = self.bytes[from..].windows(MAGIC.len()).position(|window| window == MAGIC);
        found.map_or(self.bytes.len(), |offset| from + offset)
    }
}
