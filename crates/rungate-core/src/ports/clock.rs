//! Time and randomness, passed in so that tests can set them.

use std::time::Duration;

use crate::id::uuid_v7;
use crate::time::Timestamp;

/// The current time.
pub trait Clock: Send + Sync {
    /// Now, by the wall clock. May step back when the machine's clock is set.
    fn now(&self) -> Timestamp;

    /// Time since some fixed point; never steps back. For durations.
    fn monotonic(&self) -> Duration;
}

/// Randomness that cannot be guessed.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// A fresh UUIDv7 for a point in time.
pub fn fresh_uuid(entropy: &dyn Entropy, at: Timestamp) -> uuid::Uuid {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    uuid_v7(at, random)
}
