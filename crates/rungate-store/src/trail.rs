//! How entries of trails are kept: as JSON beside the columns that lists filter by, their contents packed.

use std::sync::Arc;

use bytes::Bytes;
use rungate_core::exchange::{Body, Entry, Sequenced};
use rungate_core::page::{Page, PageRequest, Position};
use rungate_core::ports::StoreError;
use rungate_core::trail::{Contents, TrailEntry, TrailRow};

use crate::record::decode;
use crate::sql::limit;

/// The first byte of a content that is kept as it is.
const PLAIN: u8 = 0;
/// The first byte of one that is compressed; its length follows, in four bytes.
const PACKED: u8 = 1;

/// Shorter contents are kept as they are.
const WORTH_PACKING: usize = 512;
const LEVEL: i32 = 1;

/// The entry of a trail in an entry of the journal, as it is written.
pub(crate) struct Told<'a> {
    /// Its place.
    pub sequence: u64,
    /// The entry.
    pub entry: &'a TrailEntry,
    /// As the journal has it.
    pub json: &'a Arc<str>,
    /// Its content, packed.
    pub content: Option<Vec<u8>>,
}

/// The entries of trails in a batch.
pub(crate) fn told<'a>(entries: &[&'a Sequenced]) -> Result<Vec<Told<'a>>, StoreError> {
    let mut all = Vec::new();
    for Sequenced { sequence, entry, json, .. } in entries.iter().copied() {
        if let Entry::Trail { entry, content } = &**entry {
            let content = content.as_ref().map(pack).transpose()?;
            all.push(Told { sequence: sequence.0, entry, json, content });
        }
    }
    Ok(all)
}

/// A content as it is kept.
pub(crate) fn pack(body: &Body) -> Result<Vec<u8>, StoreError> {
    let plain = || [&[PLAIN][..], &body.bytes].concat();
    let Ok(length) = u32::try_from(body.bytes.len()) else { return Ok(plain()) };
    if body.bytes.len() < WORTH_PACKING {
        return Ok(plain());
    }
    let compressed = zstd::bulk::compress(&body.bytes, LEVEL);
    let compressed = compressed.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok([&[PACKED][..], &length.to_le_bytes(), &compressed].concat())
}

fn unpack(kept: &[u8]) -> Result<Bytes, StoreError> {
    let damaged = || StoreError::Corrupt("the content of a trail's entry cannot be read".to_owned());
    let (kind, rest) = kept.split_first().ok_or_else(damaged)?;
    if *kind == PLAIN {
        return Ok(Bytes::copy_from_slice(rest));
    }
    let (length, compressed) = rest.split_first_chunk().ok_or_else(damaged)?;
    let length = u32::from_le_bytes(*length) as usize;
    let content = zstd::bulk::decompress(compressed, length).map_err(|_| damaged())?;
    Ok(content.into())
}

/// The columns of [`row`], of rows called `t`.
pub(crate) fn columns(contents: Contents) -> &'static str {
    match contents {
        Contents::Read => "t.record, t.content IS NOT NULL, t.content",
        Contents::LeftOut => "t.record, t.content IS NOT NULL, NULL",
    }
}

/// A row of these columns.
pub(crate) fn row(record: &str, has_content: bool, content: Option<&[u8]>) -> Result<TrailRow, StoreError> {
    Ok(TrailRow { entry: decode(record)?, has_content, content: content.map(unpack).transpose()? })
}

/// A page out of rows of which one more than asked for may have been read.
pub(crate) fn page(mut rows: Vec<TrailRow>, request: &PageRequest) -> Page<TrailRow> {
    let limit = limit(request);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let position = |row: &TrailRow| Position { at: row.entry.at.micros(), id: row.entry.id.to_string() };
    let next = rows.last().filter(|_| more).map(position);
    Page { items: rows, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_come_back_as_they_were() {
        for length in [0, 1, 511, 512, 100_000] {
            let bytes: Bytes = (0..length).map(|at| u8::try_from(at % 7).unwrap()).collect();
            let body = Body { bytes: bytes.clone(), truncated: false, redacted: false };
            let kept = pack(&body).unwrap();
            assert_eq!(unpack(&kept).unwrap(), bytes);
            assert!(kept.len() <= bytes.len() + 5);
        }
        assert!(unpack(&[]).is_err() && unpack(&[1, 9]).is_err() && unpack(&[1, 9, 0, 0, 0, 7]).is_err());
    }
}
