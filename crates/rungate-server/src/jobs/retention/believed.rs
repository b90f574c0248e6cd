//! Whether the wall clock may decide what is dropped.
//!
//! A clock that is set a year ahead by mistake would make everything old at once, and what is dropped does not come back
//! with the right time. So a clock is believed when it agrees with what was logged lately, or has run evenly for a day.

use std::time::Duration;

use rungate_core::ports::Clock;
use rungate_core::time::{Day, Timestamp};

/// Rows of so few days before today show that today is today.
const RECENT_DAYS: i32 = 3;

/// For so long a clock that is not known runs evenly before it is believed: time to notice that it is wrong.
const PROBATION: Duration = Duration::from_hours(24);

/// The wall clock and the time that passed may differ by this much: clocks are slewed, machines sleep for a moment.
const TOLERANCE: Duration = Duration::from_mins(10);

/// The wall clock as it was seen from one look to the next.
#[derive(Debug, Default)]
pub struct BelievedClock {
    last: Option<Reading>,
    /// Since when, by the monotonic clock, it has run evenly without being known; `None` when it is believed.
    doubted_since: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    wall: Timestamp,
    monotonic: Duration,
}

impl BelievedClock {
    /// Looks at the clock; today, where it is believed. `rows` are the days that have rows.
    pub fn today(&mut self, clock: &dyn Clock, rows: &[Day]) -> Option<Day> {
        let now = Reading { wall: clock.now(), monotonic: clock.monotonic() };
        let today = now.wall.day();
        match self.last.replace(now) {
            None => {
                // Rows of today may come from the same wrong clock.
                let newest = rows.iter().filter(|day| **day < today).max();
                if newest.is_none_or(|newest| *newest < today.plus(-RECENT_DAYS)) {
                    self.doubted_since = Some(now.monotonic);
                }
                if let (Some(newest), Some(_)) = (newest, self.doubted_since) {
                    tracing::warn!(
                        %today,
                        %newest,
                        "nothing was logged in the days before today: nothing is dropped until the clock has run \
                         evenly for a day"
                    );
                }
            }
            Some(last) => {
                let passed = now.monotonic.saturating_sub(last.monotonic);
                if apart(now.wall, last.wall.plus(passed)) > TOLERANCE {
                    tracing::warn!(
                        before = %last.wall,
                        now = %now.wall,
                        passed_seconds = passed.as_secs(),
                        "the clock jumped: nothing is dropped until it has run evenly for a day"
                    );
                    self.doubted_since = Some(now.monotonic);
                }
            }
        }
        if self.doubted_since.is_some_and(|since| now.monotonic.saturating_sub(since) >= PROBATION) {
            self.doubted_since = None;
        }
        self.doubted_since.is_none().then_some(today)
    }
}

fn apart(a: Timestamp, b: Timestamp) -> Duration {
    if a > b { a.since(b) } else { b.since(a) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[derive(Clone, Copy)]
    struct SetClock {
        wall: Timestamp,
        monotonic: Duration,
    }

    impl SetClock {
        fn noon(day: &str) -> Self {
            Self { wall: Day::parse(day).unwrap().start().plus(12 * HOUR), monotonic: 99 * HOUR }
        }

        fn run(&mut self, hours: u32) {
            self.wall = self.wall.plus(hours * HOUR);
            self.monotonic += hours * HOUR;
        }
    }

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            self.wall
        }

        fn monotonic(&self) -> Duration {
            self.monotonic
        }
    }

    fn days<const N: usize>(days: [&str; N]) -> [Day; N] {
        days.map(|day| Day::parse(day).unwrap())
    }

    #[test]
    fn a_clock_that_agrees_with_the_rows_is_believed_at_once() {
        let mut clock = SetClock::noon("2026-11-23");
        let today = Some(clock.wall.day());
        let at_once = |rows: &[Day]| BelievedClock::default().today(&clock, rows) == today;
        assert!(at_once(&days(["2026-08-01", "2026-11-20"])));
        assert!(!at_once(&days(["2026-11-23"])) && !at_once(&[]));
        let mut believed = BelievedClock::default();
        for _ in 0..100 {
            assert!(believed.today(&clock, &days(["2026-11-22"])).is_some());
            clock.run(1);
        }
    }

    #[test]
    fn a_clock_that_starts_far_from_the_rows_is_believed_after_a_day() {
        let mut clock = SetClock::noon("2027-11-23");
        let rows = days(["2026-11-23", "2027-11-23"]);
        let mut believed = BelievedClock::default();
        for _ in 0..24 {
            assert_eq!(believed.today(&clock, &rows), None);
            clock.run(1);
        }
        assert_eq!(believed.today(&clock, &rows), Some(clock.wall.day()));
    }

    #[test]
    fn a_clock_that_jumps_is_not_believed_for_a_day_after_its_last_jump() {
        let rows = days(["2026-11-22"]);
        let mut clock = SetClock::noon("2026-11-23");
        let mut believed = BelievedClock::default();
        assert!(believed.today(&clock, &rows).is_some());
        clock.run(1);
        clock.wall = clock.wall.plus(365 * 24 * HOUR);
        assert_eq!(believed.today(&clock, &rows), None);
        clock.run(23);
        assert_eq!(believed.today(&clock, &rows), None);
        clock.wall = clock.wall.minus(365 * 24 * HOUR);
        clock.run(1);
        assert_eq!(believed.today(&clock, &rows), None);
        clock.run(24);
        assert_eq!(believed.today(&clock, &rows), Some(clock.wall.day()));
    }

    #[test]
    fn a_clock_that_is_slewed_is_believed() {
        let rows = days(["2026-11-22"]);
        let mut clock = SetClock::noon("2026-11-23");
        let mut believed = BelievedClock::default();
        assert!(believed.today(&clock, &rows).is_some());
        clock.run(1);
        clock.wall = clock.wall.minus(Duration::from_mins(9));
        assert!(believed.today(&clock, &rows).is_some());
    }
}
