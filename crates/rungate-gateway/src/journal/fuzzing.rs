//! Frames and segments without a folder around them: for `rungate-fuzz`, which runs them many thousand times a second.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use rungate_core::exchange::{Entry, Sequenced};

use super::frame::{Bodies, Frame, decode};
use super::scan::{Newer, scan};

/// What a segment's bytes hold.
#[derive(Debug)]
pub struct Contents {
    /// Where each intact frame lies, and the entry in it; `None` for a record that this version cannot understand.
    pub frames: Vec<(Range<usize>, Option<Sequenced>)>,
    /// Bytes that belong to no intact frame.
    pub gaps: Vec<Range<usize>>,
}

/// The frame of an entry as the writer lays it out; `lean` leaves its bodies out, as in a full journal.
pub fn write(entry: &Entry, sequence: u64, salt: u64, lean: bool) -> io::Result<Vec<u8>> {
    let frame = Frame::encode(entry)?;
    let bodies = if lean { Bodies::LeftOut } else { Bodies::Kept };
    let mut bytes = frame.header(sequence, salt, bodies).to_vec();
    frame.payload(bodies).iter().for_each(|part| bytes.extend_from_slice(part));
    Ok(bytes)
}

/// Reads a segment whose frames come after `last`. `None` when it is of a newer version.
pub fn read(segment: &Bytes, last: u64) -> Option<Contents> {
    let scan = match scan(segment, last) {
        Ok(scan) => scan,
        Err(Newer(_)) => return None,
    };
    let frames = scan.frames.into_iter().map(|frame| {
        let start = usize::try_from(frame.offset).unwrap_or(usize::MAX);
        let range = start..start + usize::try_from(frame.bytes).unwrap_or(usize::MAX);
        let entry =
            decode(&segment.slice(range.clone())).ok().filter(|entry| entry.sequence.0 == frame.sequence);
        (range, entry)
    });
    Some(Contents { frames: frames.collect(), gaps: scan.gaps })
}
