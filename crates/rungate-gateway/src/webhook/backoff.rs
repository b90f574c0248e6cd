//! When a delivery that failed is tried again.

use std::time::Duration;

/// Pauses that grow by a factor, with some chance in them so that receivers that come back are not met by everybody at
/// once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Between the first try and the second.
    pub first: Duration,
    /// How much longer each pause is than the one before.
    pub factor: u32,
    /// How often a delivery is tried.
    pub tries: u32,
}

impl Backoff {
    /// Eight tries: after 15 s, 1 min, 4 min, 16 min, about 1 h, 4 h and 17 h; within 24 hours in all.
    pub const WITHIN_A_DAY: Self = Self { first: Duration::from_secs(15), factor: 4, tries: 8 };

    /// The pause after the try of this number, from 1; `None` when it was the last. `chance` shortens it by up to a
    /// fifth or lengthens it by up to a twentieth.
    pub fn after(self, tried: u32, chance: u8) -> Option<Duration> {
        if tried >= self.tries {
            return None;
        }
        let plain = self.first.saturating_mul(self.factor.saturating_pow(tried.saturating_sub(1)));
        Some(plain.saturating_mul(800 + u32::from(chance) * 250 / 255) / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(chance: u8) -> Duration {
        (1..8).map(|tried| Backoff::WITHIN_A_DAY.after(tried, chance).unwrap()).sum()
    }

    #[test]
    fn eight_tries_take_most_of_a_day_and_no_more() {
        assert_eq!(Backoff::WITHIN_A_DAY.after(8, 0), None);
        assert!(total(0) > Duration::from_hours(18), "{:?}", total(0));
        assert!(total(255) < Duration::from_hours(24), "{:?}", total(255));
    }

    #[test]
    fn chance_moves_each_pause_a_little() {
        let second = |chance| Backoff::WITHIN_A_DAY.after(2, chance).unwrap();
        assert_eq!((second(0), second(255)), (Duration::from_secs(48), Duration::from_secs(63)));
    }
}
