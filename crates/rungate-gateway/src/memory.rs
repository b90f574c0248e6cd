//! A bound on the bytes that all exchanges together may hold in memory.
//!
//! Every body that is collected takes room here first. When there is no room, a new request is refused before
//! anything is spent, instead of the process growing until the machine ends it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room is counted in units of one KiB, so that four gigabytes fit into a semaphore's counter.
const UNIT: usize = 1024;

/// A pool of bytes.
#[derive(Debug, Clone)]
pub struct MemoryPool {
    units: Arc<Semaphore>,
    total: usize,
}

/// Room taken from a pool; given back when dropped.
#[derive(Debug, Default)]
pub struct Room {
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

/// The pool has not enough room left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway holds as many bytes as it may")]
pub struct NoRoom;

impl MemoryPool {
    /// A pool of `bytes`, rounded up to a KiB.
    pub fn new(bytes: usize) -> Self {
        let total = bytes.div_ceil(UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { units: Arc::new(Semaphore::new(total)), total }
    }

    /// Bytes that are taken now.
    pub fn used_bytes(&self) -> usize {
        (self.total - self.units.available_permits()) * UNIT
    }

    /// Makes `room` at least `bytes` large, or leaves it as it is.
    pub fn grow(&self, room: &mut Room, bytes: usize) -> Result<(), NoRoom> {
        let Some(missing) = room.missing(bytes) else { return Ok(()) };
        let permit = Arc::clone(&self.units).try_acquire_many_owned(missing).map_err(|_| NoRoom)?;
        room.add(permit, missing);
        Ok(())
    }

    /// As [`MemoryPool::grow`], but waits for room, at most `patience`.
    pub async fn grow_patiently(
        &self,
        room: &mut Room,
        bytes: usize,
        patience: Duration,
    ) -> Result<(), NoRoom> {
        let Some(missing) = room.missing(bytes) else { return Ok(()) };
        let waiting = Arc::clone(&self.units).acquire_many_owned(missing);
        let permit =
            tokio::time::timeout(patience, waiting).await.map_err(|_| NoRoom)?.map_err(|_| NoRoom)?;
        room.add(permit, missing);
        Ok(())
    }
}

/// Bytes together with the room they take.
struct Held {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Room {
    /// The same bytes; the room is given back when the last of their slices is dropped.
    pub fn around(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _room: self })
    }

    fn missing(&self, bytes: usize) -> Option<u32> {
        let missing = bytes.saturating_sub(self.bytes).div_ceil(UNIT);
        if missing == 0 { None } else { Some(u32::try_from(missing).unwrap_or(u32::MAX)) }
    }

    fn add(&mut self, permit: OwnedSemaphorePermit, units: u32) {
        self.bytes += units as usize * UNIT;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_and_given_back() {
        let pool = MemoryPool::new(10 * UNIT);
        let mut first = Room::default();
        pool.grow(&mut first, 6 * UNIT).unwrap();
        pool.grow(&mut first, 3 * UNIT).unwrap();
        assert_eq!(pool.used_bytes(), 6 * UNIT);
        let mut second = Room::default();
        assert_eq!(pool.grow(&mut second, 5 * UNIT), Err(NoRoom));
        pool.grow(&mut second, 4 * UNIT).unwrap();
        drop(first);
        assert_eq!(pool.used_bytes(), 4 * UNIT);
    }

    #[test]
    fn room_around_bytes_is_held_by_their_last_slice() {
        let pool = MemoryPool::new(10 * UNIT);
        let mut room = Room::default();
        pool.grow(&mut room, 6 * UNIT).unwrap();
        let bytes = room.around(Bytes::from(vec![b'x'; 6 * UNIT]));
        let slice = bytes.slice(..1);
        drop(bytes);
        assert_eq!((pool.used_bytes(), slice.as_ref()), (6 * UNIT, &b"x"[..]));
        drop(slice);
        assert_eq!(pool.used_bytes(), 0);
    }
}
