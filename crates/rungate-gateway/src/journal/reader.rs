//! Reads appended frames back for the log.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bytes::Bytes;
use rungate_core::exchange::Sequenced;

use super::frame::{FrameError, decode};
use super::scan::Located;
use super::{Shared, segment};

/// Entries after `after`, in order, until `max_bytes` are gathered (at least one, if there is one).
///
/// The places of the frames are known, so nothing is searched. A frame that was damaged since is put aside, logged
/// and left out.
pub(super) fn read(shared: &Shared, after: u64, max_bytes: u64) -> io::Result<Vec<Sequenced>> {
    let mut entries = Vec::new();
    loop {
        let places = shared.lock().locate(after, max_bytes);
        if places.is_empty() {
            return Ok(entries);
        }
        for (path, frames) in places {
            let file = File::open(&path)?;
            for frame in frames {
                match read_one(&file, frame)? {
                    Read::Entry(entry) => entries.push(entry),
                    Read::Damaged(reason, bytes) => give_up(shared, &path, frame, &reason, &bytes),
                }
            }
        }
        if !entries.is_empty() {
            return Ok(entries);
        }
    }
}

enum Read {
    Entry(Sequenced),
    Damaged(String, Bytes),
}

fn read_one(file: &File, frame: Located) -> io::Result<Read> {
    // The length is that of a frame that was written, or found whole in the file.
    let mut bytes = vec![0; usize::try_from(frame.bytes).map_err(io::Error::other)?];
    match file.read_exact_at(&mut bytes, frame.offset) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Ok(Read::Damaged("the file ends before".to_owned(), Bytes::new()));
        }
        result => result?,
    }
    let bytes = Bytes::from(bytes);
    Ok(match decode(&bytes) {
        Ok(entry) if entry.sequence.0 == frame.sequence => Read::Entry(entry),
        Ok(_) => Read::Damaged(FrameError::Header.to_string(), bytes),
        Err(error) => Read::Damaged(error.to_string(), bytes),
    })
}

fn give_up(shared: &Shared, path: &Path, frame: Located, reason: &str, bytes: &[u8]) {
    let saved = segment::save(path, frame.offset, bytes);
    tracing::error!(
        segment = %path.display(),
        sequence = frame.sequence,
        offset = frame.offset,
        bytes = frame.bytes,
        ?saved,
        reason,
        "an entry of the journal cannot be read and does not reach the log"
    );
    shared.lock().forget(frame);
}
