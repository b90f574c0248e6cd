//! Blocks of bodies in the table of their day.

use std::collections::HashMap;

use bytes::Bytes;
use deadpool_postgres::GenericClient;
use rungate_core::exchange::Body;
use rungate_core::ports::StoreError;
use rungate_core::time::Day;

use super::super::error::{OrStoreError, column};
use super::views::{Array, Write};
use crate::block::{self, Block, Location};

/// Takes numbers for so many blocks. Those of a batch that fails are not used again.
pub(crate) const NUMBERS: &str = "SELECT nextval('body_block') FROM generate_series(1, $1::bigint)";

/// Sealed blocks with the day each belongs to, in the order in which locations call them.
pub(crate) type Blocks = Vec<(Day, Block)>;

/// Writes blocks under their numbers.
pub(crate) fn write(blocks: Blocks, numbers: &[i64]) -> Write {
    let of =
        |(day, block): &(Day, Block)| (day.days(), i64::from(block.raw_bytes), i64::from(block.checksum));
    let (days, sizes, checksums): (Vec<i32>, Vec<i64>, Vec<i64>) = blocks.iter().map(of).collect();
    let data: Vec<Vec<u8>> = blocks.into_iter().map(|(_, block)| block.compressed).collect();
    let arrays: Vec<Array> = vec![
        Box::new(days),
        Box::new(sizes),
        Box::new(numbers.to_vec()),
        Box::new(checksums),
        Box::new(data),
    ];
    Write {
        sql: "INSERT INTO body (day, raw_bytes, block, checksum, data) \
              SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])"
            .into(),
        arrays,
    }
}

/// Reads the bodies at `locations` of a day. One whose block is gone, since the bodies of its day were dropped, is absent.
pub(crate) async fn read(
    client: &impl GenericClient,
    day: Day,
    locations: [Option<Location>; 2],
) -> Result<[Option<Body>; 2], StoreError> {
    let numbers: Vec<i64> = locations.iter().flatten().map(|location| location.block).collect();
    let sql = "SELECT block, raw_bytes, checksum, data FROM body WHERE day = $1 AND block = ANY ($2)";
    let statement = client.prepare_cached(sql).await.or_store()?;
    let mut blocks: HashMap<i64, Bytes> = HashMap::new();
    for row in client.query(&statement, &[&day.days(), &numbers]).await.or_store()? {
        let (number, raw_bytes, checksum): (i64, i64, i64) =
            (column(&row, 0)?, column(&row, 1)?, column(&row, 2)?);
        let whole = u32::try_from(raw_bytes).ok().zip(u32::try_from(checksum).ok());
        let (raw_bytes, checksum) = whole.ok_or_else(|| damaged(day, number, "its size is none"))?;
        let raw = block::unpack(column(&row, 3)?, raw_bytes, checksum);
        blocks.insert(number, raw.map_err(|reason| damaged(day, number, reason))?);
    }
    let mut bodies = [None, None];
    for (location, body) in locations.into_iter().zip(&mut bodies) {
        let Some(location) = location else { continue };
        let Some(raw) = blocks.get(&location.block) else { continue };
        let cut = block::cut(raw, location).map_err(|reason| damaged(day, location.block, reason))?;
        *body = Some(cut);
    }
    Ok(bodies)
}

/// The error that names a block which cannot be read.
pub(crate) fn damaged(day: Day, number: i64, reason: &str) -> StoreError {
    StoreError::Corrupt(format!("bodies of {day}: block {number}: {reason}"))
}
