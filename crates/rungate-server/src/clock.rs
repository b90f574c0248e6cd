//! The time and the randomness of the machine. Everything else takes them passed in.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rungate_core::ports::{Clock, Entropy};
use rungate_core::time::Timestamp;

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Bytes taken from the system at a time: one call for some two hundred ids.
const POOL_BYTES: usize = 2 << 10;

/// The random bytes of the operating system. None is given twice.
pub struct SystemEntropy(Mutex<Pool>);

struct Pool {
    bytes: [u8; POOL_BYTES],
    /// From here on they are unused.
    unused: usize,
}

impl SystemEntropy {
    /// Checks once that the system has randomness to give; later calls then cannot fail.
    pub fn open() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; POOL_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(Mutex::new(Pool { bytes, unused: 0 })))
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Pool { bytes: random, unused } = &mut *pool;
        for byte in bytes {
            if *unused == POOL_BYTES {
                refill(random);
                *unused = 0;
            }
            // What is given away is kept nowhere else.
            *byte = std::mem::take(&mut random[*unused]);
            *unused += 1;
        }
    }
}

fn refill(bytes: &mut [u8]) {
    // Keys and ids made from anything weaker would be guessable: there is nothing to go on with. A kernel that
    // gave randomness once does not stop.
    if let Err(error) = getrandom::fill(bytes) {
        tracing::error!(%error, "the system gives no randomness");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_has_a_time_and_randomness() {
        let clock = SystemClock::new();
        assert!(clock.now() > Timestamp::parse("2026-01-01T00:00:00Z").unwrap());
        let entropy = SystemEntropy::open().unwrap();
        let (mut first, mut second) = ([0; 16], [0; 16]);
        entropy.fill(&mut first);
        entropy.fill(&mut second);
        assert_ne!(first, second);
    }
}
