//! Blocks of bodies: small bodies share one compressed block, whose checksum finds damage.

use bytes::Bytes;
use rungate_core::exchange::Body;

/// A block is sealed before it grows beyond this many bytes; only a single larger body makes a larger block.
const BLOCK_BYTES: usize = 256 << 10;
const LEVEL: i32 = 1;

const TRUNCATED: i64 = 1;
const REDACTED: i64 = 2;

/// A sealed block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its bodies one behind the other, compressed.
    pub compressed: Vec<u8>,
    /// How long they are uncompressed.
    pub raw_bytes: u32,
    /// CRC-32 of the compressed bytes.
    pub checksum: u32,
}

/// Where a body lies; `block` is where its block is: as [`pack`] gives it a number, as it is kept whatever finds the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    /// The block.
    pub block: i64,
    /// Where the body starts in the block.
    pub offset: i64,
    /// Its length.
    pub length: i64,
    /// Whether it is truncated, whether it is redacted.
    pub flags: i64,
}

/// Packs bodies into blocks, in this order. Gives each body's location, with the block's place in the list as its block.
pub(crate) fn pack(bodies: &[&Body]) -> std::io::Result<(Vec<Block>, Vec<Location>)> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    let mut blocks = Vec::new();
    let mut locations = Vec::with_capacity(bodies.len());
    let mut raw: Vec<u8> = Vec::new();
    for body in bodies {
        if !raw.is_empty() && raw.len() + body.bytes.len() > BLOCK_BYTES {
            blocks.push(seal(&mut compressor, &raw)?);
            raw.clear();
        }
        locations.push(Location {
            block: number(blocks.len())?,
            offset: number(raw.len())?,
            length: number(body.bytes.len())?,
            flags: i64::from(body.truncated) * TRUNCATED + i64::from(body.redacted) * REDACTED,
        });
        raw.extend_from_slice(&body.bytes);
    }
    if !bodies.is_empty() {
        blocks.push(seal(&mut compressor, &raw)?);
    }
    Ok((blocks, locations))
}

fn seal(compressor: &mut zstd::bulk::Compressor<'_>, raw: &[u8]) -> std::io::Result<Block> {
    let compressed = compressor.compress(raw)?;
    let checksum = crc32fast::hash(&compressed);
    Ok(Block { compressed, raw_bytes: number(raw.len())?, checksum })
}

/// A size or place as the type it is kept as.
pub(crate) fn number<T: TryFrom<U>, U>(value: U) -> std::io::Result<T> {
    T::try_from(value).map_err(|_| std::io::Error::other("a body is too large"))
}

/// The bodies of a block one behind the other; an error says what is wrong with it.
pub(crate) fn unpack(compressed: &[u8], raw_bytes: u32, checksum: u32) -> Result<Bytes, &'static str> {
    if crc32fast::hash(compressed) != checksum {
        return Err("its checksum is wrong");
    }
    let raw_bytes = usize::try_from(raw_bytes).unwrap_or(usize::MAX);
    match zstd::bulk::decompress(compressed, raw_bytes) {
        Ok(raw) if raw.len() == raw_bytes => Ok(raw.into()),
        _ => Err("it does not decompress"),
    }
}

/// A block with parts of it, given as offset and length, as zeros: the other bodies stay where they are in it, and it takes
/// no more room than before. An error says what is wrong with it.
pub(crate) fn blank(block: &Block, parts: &[(i64, i64)]) -> Result<Block, &'static str> {
    let mut raw: Vec<u8> = unpack(&block.compressed, block.raw_bytes, block.checksum)?.into();
    for (offset, length) in parts {
        let part = usize::try_from(*offset).ok().zip(usize::try_from(*length).ok());
        let part = part.and_then(|(start, length)| raw.get_mut(start..start.checked_add(length)?));
        part.ok_or("it is too short")?.fill(0);
    }
    // Zeros in the place of text take less room, if not at the first try.
    for level in [LEVEL, 3, 9, 19] {
        let compressed = zstd::bulk::compress(&raw, level).map_err(|_| "it does not compress")?;
        if compressed.len() <= block.compressed.len() {
            let checksum = crc32fast::hash(&compressed);
            return Ok(Block { compressed, raw_bytes: block.raw_bytes, checksum });
        }
    }
    Err("what is left of it does not fit in its place")
}

/// The body at `location` of a block; an error says what is wrong with it.
pub(crate) fn cut(raw: &Bytes, location: Location) -> Result<Body, &'static str> {
    let start = usize::try_from(location.offset).ok();
    let end = start.and_then(|start| start.checked_add(usize::try_from(location.length).ok()?));
    let bytes = start.zip(end).and_then(|(start, end)| raw.get(start..end)).ok_or("it is too short")?;
    Ok(Body {
        // A copy, so that a small body does not hold its whole block.
        bytes: Bytes::copy_from_slice(bytes),
        truncated: location.flags & TRUNCATED != 0,
        redacted: location.flags & REDACTED != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: Vec<u8>) -> Body {
        Body { bytes: bytes.into(), truncated: false, redacted: false }
    }

    #[test]
    fn bodies_of_any_size_come_back_and_small_ones_share_a_block() {
        let noise = |len: usize| (0..len).map(|i| u8::try_from(i * i % 251).unwrap()).collect::<Vec<_>>();
        let mut bodies = vec![body(noise(10)), body(Vec::new()), body(noise(300 << 10)), body(noise(20))];
        bodies.extend((0..40).map(|i| body(noise(10_000 + i))));
        bodies[3].truncated = true;
        bodies[0].redacted = true;
        let (blocks, locations) = pack(&bodies.iter().collect::<Vec<_>>()).unwrap();
        for (location, body) in locations.iter().zip(&bodies) {
            let block = &blocks[usize::try_from(location.block).unwrap()];
            let raw = unpack(&block.compressed, block.raw_bytes, block.checksum).unwrap();
            assert_eq!(cut(&raw, *location).as_ref(), Ok(body));
        }
        assert_eq!(locations[0].block, locations[1].block);
        assert!(blocks.len() < 6, "{} blocks", blocks.len());
        assert_eq!(pack(&[]).unwrap(), (Vec::new(), Vec::new()));
    }

    #[test]
    fn damage_is_found() {
        let (blocks, locations) = pack(&[&body(vec![1; 99])]).unwrap();
        let Block { compressed, raw_bytes, checksum } = &blocks[0];
        for at in 0..compressed.len() {
            let mut damaged = compressed.clone();
            damaged[at] ^= 0x40;
            assert_eq!(unpack(&damaged, *raw_bytes, *checksum), Err("its checksum is wrong"), "byte {at}");
        }
        assert_eq!(unpack(compressed, raw_bytes + 1, *checksum), Err("it does not decompress"));
        let raw = unpack(compressed, *raw_bytes, *checksum).unwrap();
        for wrong in [
            Location { length: 100, ..locations[0] },
            Location { offset: -1, ..locations[0] },
            Location { length: i64::MAX, offset: i64::MAX, ..locations[0] },
        ] {
            assert_eq!(cut(&raw, wrong), Err("it is too short"));
        }
    }
}
