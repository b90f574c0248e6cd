//! The segment of a day's bodies: an append-only file of compressed blocks, each with a header and a checksum.
//!
//! A row knows the place of its block, and its own place in the block; nothing reads a segment from its start. So what
//! a crash leaves at the end is skipped by appending behind it, and a block that no row came to refer to is only lost
//! room.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rungate_core::exchange::Body;
use rungate_core::ports::StoreError;
use rusqlite::Connection;

use super::super::error::OrStoreError;
use super::super::{error, folder};
use crate::block::{self, Block, Location, number};

/// Magic and version, then raw length, compressed length and checksum of the compressed bytes, little-endian.
const HEADER_BYTES: usize = 20;
const MAGIC: [u8; 8] = *b"RGBLOCK\x01";

/// Magic and version of a block that is to be written over another; then its place, its length and its checksum.
const WIPE_MAGIC: [u8; 8] = *b"RGWIPE\0\x01";
const WIPE_HEADER_BYTES: usize = 24;

/// The segment of one day, open to append.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    file: File,
}

impl Segment {
    /// Opens or makes the file.
    pub fn open(path: PathBuf) -> Result<Self, StoreError> {
        let is_new = !path.exists();
        let file = folder::private().open(&path).map_err(|error| error::io(&path, &error))?;
        if is_new {
            path.parent().map_or(Ok(()), folder::sync_names)?;
        }
        Ok(Self { path, file })
    }

    /// Appends bodies in this order and syncs them; gives the place of each.
    pub fn append(&mut self, bodies: &[&Body]) -> Result<Vec<Location>, StoreError> {
        let result = self.append_blocks(bodies).and_then(|locations| {
            self.file.sync_data()?;
            Ok(locations)
        });
        result.map_err(|error| error::io(&self.path, &error))
    }

    fn append_blocks(&mut self, bodies: &[&Body]) -> std::io::Result<Vec<Location>> {
        let (blocks, mut locations) = block::pack(bodies)?;
        let mut end = self.file.seek(SeekFrom::End(0))?;
        let mut starts = Vec::with_capacity(blocks.len());
        for block in &blocks {
            starts.push(number(end)?);
            end += self.write(block)?;
        }
        for location in &mut locations {
            let place: usize = number(location.block)?;
            location.block = starts[place];
        }
        Ok(locations)
    }

    /// Writes a block and gives its size in the file.
    fn write(&mut self, block: &Block) -> std::io::Result<u64> {
        let bytes = to_bytes(block)?;
        self.file.write_all(&bytes)?;
        number(bytes.len())
    }
}

/// Reads the bodies at `locations`; the whole answer is `None` when the file is gone. A block that two of them share is
/// read once.
pub(crate) fn read(
    path: &Path,
    locations: [Option<Location>; 2],
) -> Result<Option<[Option<Body>; 2]>, StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error::io(path, &error)),
    };
    let mut last: Option<(i64, Bytes)> = None;
    let mut bodies = [None, None];
    for (location, body) in locations.into_iter().zip(&mut bodies) {
        let Some(location) = location else { continue };
        let block = match last.take() {
            Some((block, bytes)) if block == location.block => bytes,
            _ => read_block(&mut file, path, location.block)?,
        };
        let read = block::cut(&block, location).map_err(|reason| damaged(path, location.block, reason))?;
        *body = Some(read);
        last = Some((location.block, block));
    }
    Ok(Some(bodies))
}

/// Reads every block that the rows of a day refer to. How many there are.
pub(crate) fn check_blocks(rows: &Connection, path: &Path) -> Result<u64, StoreError> {
    let mut file = File::open(path).map_err(|error| error::io(path, &error))?;
    let mut statement = rows
        .prepare(
            "SELECT request_block FROM exchange WHERE request_block IS NOT NULL \
             UNION SELECT response_block FROM exchange WHERE response_block IS NOT NULL",
        )
        .or_store()?;
    let mut blocks = 0;
    for block in statement.query_map([], |row| row.get(0)).or_store()? {
        read_block(&mut file, path, block.or_store()?)?;
        blocks += 1;
    }
    Ok(blocks)
}

/// Overwrites parts of a block, given as offset and length, with zeros. The other bodies of the block stay where they are.
///
/// The new block is put aside first: a crash in the middle of writing it is mended by [`finish_wipe`].
pub(crate) fn wipe(path: &Path, at: i64, parts: &[(i64, i64)]) -> Result<(), StoreError> {
    let mut file =
        File::options().read(true).write(true).open(path).map_err(|error| error::io(path, &error))?;
    let old = read_compressed(&mut file, path, at)?;
    let new = block::blank(&old, parts).map_err(|reason| damaged(path, at, reason))?;
    let mut bytes = to_bytes(&new).map_err(|error| error::io(path, &error))?;
    // What is left of the old block behind the new one goes too.
    bytes.resize(HEADER_BYTES + old.compressed.len(), 0);

    let aside = wipe_path(path);
    let put = put_aside(&aside, at, &bytes).and_then(|()| overwrite(&mut file, at, &bytes));
    put.and_then(|()| std::fs::remove_file(&aside)).map_err(|error| error::io(path, &error))
}

/// Ends a wipe that a crash cut short.
pub(crate) fn finish_wipe(path: &Path) -> Result<(), StoreError> {
    let aside = wipe_path(path);
    let bytes = match std::fs::read(&aside) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error::io(&aside, &error)),
    };
    // One that is not whole was cut short before the segment was touched.
    if let Some((at, block)) = whole_wipe(&bytes) {
        let mut file = File::options().write(true).open(path).map_err(|error| error::io(path, &error))?;
        overwrite(&mut file, at, block).map_err(|error| error::io(path, &error))?;
    }
    std::fs::remove_file(&aside).map_err(|error| error::io(&aside, &error))
}

/// Where the block of a segment lies that is to be written over another.
fn wipe_path(segment: &Path) -> PathBuf {
    let mut name = segment.as_os_str().to_owned();
    name.push(".wipe");
    PathBuf::from(name)
}

fn put_aside(path: &Path, at: i64, block: &[u8]) -> std::io::Result<()> {
    let mut bytes = WIPE_MAGIC.to_vec();
    bytes.extend_from_slice(&at.to_le_bytes());
    bytes.extend_from_slice(&number::<u32, _>(block.len())?.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(block).to_le_bytes());
    bytes.extend_from_slice(block);
    let mut file = folder::private().truncate(true).open(path)?;
    file.write_all(&bytes)?;
    file.sync_data()?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

fn whole_wipe(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (header, block) = bytes.split_at_checked(WIPE_HEADER_BYTES)?;
    let (magic, numbers) = header.split_first_chunk::<8>()?;
    let (at, numbers) = numbers.split_first_chunk::<8>()?;
    let (length, checksum) = numbers.split_first_chunk::<4>()?;
    let checksum = checksum.first_chunk::<4>()?;
    let is_whole = *magic == WIPE_MAGIC
        && u32::from_le_bytes(*length) as usize == block.len()
        && u32::from_le_bytes(*checksum) == crc32fast::hash(block);
    is_whole.then(|| (i64::from_le_bytes(*at), block))
}

fn overwrite(file: &mut File, at: i64, block: &[u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(number(at)?))?;
    file.write_all(block)?;
    file.sync_data()
}

/// A block as it lies in the file.
fn to_bytes(block: &Block) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + block.compressed.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&block.raw_bytes.to_le_bytes());
    bytes.extend_from_slice(&number::<u32, _>(block.compressed.len())?.to_le_bytes());
    bytes.extend_from_slice(&block.checksum.to_le_bytes());
    bytes.extend_from_slice(&block.compressed);
    Ok(bytes)
}

fn read_block(file: &mut File, path: &Path, at: i64) -> Result<Bytes, StoreError> {
    let mut read = || {
        let block = read_compressed(file, path, at)?;
        let raw = block::unpack(&block.compressed, block.raw_bytes, block.checksum);
        raw.map_err(|reason| damaged(path, at, reason))
    };
    // A block that an erasure is just writing over is half old and half new for a moment.
    read().or_else(|_| read())
}

fn read_compressed(file: &mut File, path: &Path, at: i64) -> Result<Block, StoreError> {
    let mut header = [0; HEADER_BYTES];
    let start = u64::try_from(at).map_err(|_| damaged(path, at, "a negative place"))?;
    let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut header));
    read.map_err(|error| read_error(path, at, &error))?;
    let (magic, lengths) = header.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(damaged(path, at, "no block starts there"));
    }
    let mut fields = lengths
        .chunks_exact(4)
        .map(|field| field.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte)));
    let mut field = || fields.next().unwrap_or(0);
    let (raw_bytes, length, checksum) = (field(), u64::from(field()), field());
    let mut compressed = Vec::new();
    // Bounded by what the file has, not by what a damaged header says.
    file.take(length).read_to_end(&mut compressed).map_err(|error| read_error(path, at, &error))?;
    if compressed.len() as u64 != length {
        return Err(damaged(path, at, "the file ends in it"));
    }
    Ok(Block { compressed, raw_bytes, checksum })
}

fn read_error(path: &Path, at: i64, error: &std::io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::UnexpectedEof => damaged(path, at, "the file ends before it"),
        _ => error::io(path, error),
    }
}

fn damaged(path: &Path, at: i64, reason: &str) -> StoreError {
    StoreError::Corrupt(format!("{}: block at {at}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: Vec<u8>) -> Body {
        Body { bytes: bytes.into(), truncated: false, redacted: false }
    }

    fn one(path: &Path, location: Location) -> Result<Option<Body>, StoreError> {
        Ok(read(path, [Some(location), None])?.and_then(|[body, _]| body))
    }

    #[test]
    fn a_wiped_body_is_gone_from_the_file_and_its_neighbours_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bodies.seg");
        let text = |word: &str| body(format!("{word} ").repeat(500).into_bytes());
        let bodies = [text("before"), body(b"do-not-keep-this".to_vec()), text("secret"), text("after")];
        let refs: Vec<&Body> = bodies.iter().collect();
        let mut segment = Segment::open(path.clone()).unwrap();
        let at = segment.append(&refs).unwrap();
        let next = segment.append(&[&text("next")]).unwrap()[0];
        let length = std::fs::metadata(&path).unwrap().len();

        wipe(&path, at[1].block, &[(at[1].offset, at[1].length), (at[2].offset, at[2].length)]).unwrap();
        assert_eq!(one(&path, at[0]).unwrap().as_ref(), Some(&bodies[0]));
        assert_eq!(one(&path, at[3]).unwrap().as_ref(), Some(&bodies[3]));
        assert_eq!(one(&path, next).unwrap(), Some(text("next")));
        assert_eq!(one(&path, at[1]).unwrap(), Some(body(vec![0; 16])));
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, length);
        assert!(!bytes.windows(11).any(|bytes| bytes == b"do-not-keep"));
        assert!(!wipe_path(&path).exists());
    }

    #[test]
    fn a_wipe_that_a_crash_cut_short_is_ended_or_undone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bodies.seg");
        let secret = body(b"secret ".repeat(400));
        let at = Segment::open(path.clone()).unwrap().append(&[&secret]).unwrap()[0];
        let before = std::fs::read(&path).unwrap();
        wipe(&path, at.block, &[(at.offset, at.length)]).unwrap();
        let after = std::fs::read(&path).unwrap();

        // Killed while the block was put aside: the segment is as it was.
        std::fs::write(&path, &before).unwrap();
        put_aside(&wipe_path(&path), at.block, &after).unwrap();
        let aside = std::fs::read(wipe_path(&path)).unwrap();
        std::fs::write(wipe_path(&path), &aside[..aside.len() - 1]).unwrap();
        finish_wipe(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert!(!wipe_path(&path).exists());

        // Killed while it was written into its place.
        std::fs::write(wipe_path(&path), &aside).unwrap();
        let torn = [&after[..after.len() / 2], &before[after.len() / 2..]].concat();
        std::fs::write(&path, torn).unwrap();
        finish_wipe(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), after);
        finish_wipe(&path).unwrap();
    }

    #[test]
    fn what_a_crash_left_at_the_end_is_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bodies.seg");
        let first = Segment::open(path.clone()).unwrap().append(&[&body(vec![1; 99])]).unwrap()[0];
        let mut torn = std::fs::read(&path).unwrap();
        let half = torn.len() / 2;
        torn.extend_from_within(..half);
        std::fs::write(&path, torn).unwrap();
        let second = Segment::open(path.clone()).unwrap().append(&[&body(vec![2; 99])]).unwrap()[0];
        assert_eq!(one(&path, first).unwrap(), Some(body(vec![1; 99])));
        assert_eq!(one(&path, second).unwrap(), Some(body(vec![2; 99])));
    }

    #[test]
    fn a_damaged_block_is_an_error_and_a_missing_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bodies.seg");
        let location = Segment::open(path.clone()).unwrap().append(&[&body(vec![1; 99])]).unwrap()[0];
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            std::fs::write(&path, damaged).unwrap();
            assert!(matches!(one(&path, location), Err(StoreError::Corrupt(_))), "byte {at}");
        }
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(matches!(one(&path, location), Err(StoreError::Corrupt(_))));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(one(&path, location).unwrap(), None);
    }
}
