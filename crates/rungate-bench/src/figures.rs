//! The rig's arithmetic: percentiles of one run, medians over runs.

use serde::{Deserialize, Serialize};

/// What a set of durations looks like, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half are at most this.
    pub p50: f64,
    /// Ninety of a hundred are at most this.
    pub p90: f64,
    /// Ninety-nine of a hundred are at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Percentiles {
    /// Of durations in nanoseconds; zeros when there are none.
    pub fn of_nanos(mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        let at = |percent| nearest_rank(&nanos, percent).map_or(0.0, micros);
        Self { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

/// The smallest value that at least `percent` of a hundred do not exceed. `sorted` ascends.
fn nearest_rank(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[expect(clippy::cast_precision_loss, reason = "a day in nanoseconds still has all its digits in 53 bits")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}

/// A figure over several runs: the middle one, and how far the others are from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle of the runs.
    pub median: f64,
    /// The lowest run.
    pub min: f64,
    /// The highest run.
    pub max: f64,
}

impl Spread {
    /// Of one figure per run; `None` without runs.
    pub fn of(mut runs: Vec<f64>) -> Option<Self> {
        runs.sort_by(f64::total_cmp);
        let (min, max) = (*runs.first()?, *runs.last()?);
        let middle = runs.len() / 2;
        let median =
            if runs.len() % 2 == 1 { runs[middle] } else { f64::midpoint(runs[middle - 1], runs[middle]) };
        Some(Self { median, min, max })
    }

    /// Whether the runs differ by more than `part` of their median: the machine was not quiet.
    pub fn is_wide(&self, part: f64) -> bool {
        self.max - self.min > part * self.median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let thousandths = Percentiles::of_nanos((1..=1_000).rev().map(|number| number * 1_000).collect());
        assert_eq!(thousandths, Percentiles { p50: 500.0, p90: 900.0, p99: 990.0, max: 1_000.0 });
        let one = Percentiles::of_nanos(vec![2_500]);
        assert_eq!(one, Percentiles { p50: 2.5, p90: 2.5, p99: 2.5, max: 2.5 });
        assert_eq!(Percentiles::of_nanos(Vec::new()), Percentiles::default());
    }

    #[test]
    fn the_slowest_of_a_hundred_and_one_is_beyond_p99() {
        let mut nanos = vec![1_000; 100];
        nanos.push(9_000);
        let percentiles = Percentiles::of_nanos(nanos);
        assert_eq!((percentiles.p99, percentiles.max), (1.0, 9.0));
    }

    #[test]
    fn medians_are_the_middle_run() {
        let odd = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!(odd, Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap(), Spread { median: 2.5, min: 1.0, max: 4.0 });
        assert_eq!(Spread::of(Vec::new()), None);
        assert!(odd.is_wide(0.9) && !odd.is_wide(1.0));
    }
}
