//! Whether one provider key is asked at present. Pure: times are given.

use std::time::Duration;

/// Failures in a row that open a circuit.
const FAILURES: u32 = 5;
/// How long it stays open: doubled from the first to the last while probes fail.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LAST_PAUSE: Duration = Duration::from_mins(2);
/// What a provider asks for is waited for at most so long.
const MAX_ASKED: Duration = Duration::from_mins(1);
/// How much the newest of its times counts.
const NEWEST: f64 = 0.2;
/// Times that are older say nothing.
const FORGET_AFTER: Duration = Duration::from_mins(1);

/// What is known of a provider key.
#[derive(Debug, Clone, Default)]
pub struct Circuit {
    failures: u32,
    open: Option<Open>,
    pace: Option<Pace>,
}

/// As what a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// As any other.
    Free,
    /// Alone, to find out whether an open circuit can be closed.
    Probe,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    since: Duration,
    until: Duration,
    pause: Duration,
    /// One request is on its way to find out.
    is_probed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Pace {
    seconds: f64,
    at: Duration,
}

impl Circuit {
    /// Whether a request may go there now. Of an open circuit whose pause is over exactly one may: it must say what came of it, or
    /// that it [left](Circuit::left).
    pub fn enter(&mut self, now: Duration) -> Option<Entry> {
        match &mut self.open {
            None => Some(Entry::Free),
            Some(open) if open.is_probed || now < open.until => None,
            Some(open) => {
                open.is_probed = true;
                Some(Entry::Probe)
            }
        }
    }

    /// It answered within `took`.
    pub fn succeeded(&mut self, now: Duration, took: Duration) {
        self.failures = 0;
        self.open = None;
        let took = took.as_secs_f64();
        let before = self.pace_at(now).unwrap_or(took);
        self.pace = Some(Pace { seconds: before + (took - before) * NEWEST, at: now });
    }

    /// It failed, and asks not to be asked again for a while.
    pub fn failed(&mut self, now: Duration, entry: Entry, asked: Option<Duration>) {
        let asked = asked.map(|asked| asked.min(MAX_ASKED));
        match &mut self.open {
            // Sent before it was opened: nothing new.
            Some(_) if entry == Entry::Free => {}
            Some(open) => {
                let pause = (open.pause * 2).min(LAST_PAUSE);
                *open = Open { pause, until: now + asked.unwrap_or(pause), is_probed: false, ..*open };
            }
            None => {
                self.failures += 1;
                if self.failures >= FAILURES || asked.is_some() {
                    let until = now + asked.unwrap_or(FIRST_PAUSE);
                    self.open = Some(Open { since: now, until, pause: FIRST_PAUSE, is_probed: false });
                }
            }
        }
    }

    /// A request that entered has gone without a verdict.
    pub fn left(&mut self, entry: Entry) {
        if let Some(open) = &mut self.open
            && entry == Entry::Probe
        {
            open.is_probed = false;
        }
    }

    /// Since when it has been open.
    pub fn open_since(&self) -> Option<Duration> {
        self.open.map(|open| open.since)
    }

    /// Seconds until it answers, of late; `None` where nobody knows.
    pub fn pace_at(&self, now: Duration) -> Option<f64> {
        let pace = self.pace.filter(|pace| now.saturating_sub(pace.at) < FORGET_AFTER)?;
        Some(pace.seconds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn opened(now: Duration) -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 0..FAILURES {
            assert_eq!(circuit.enter(now), Some(Entry::Free));
            circuit.failed(now, Entry::Free, None);
        }
        circuit
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let mut circuit = Circuit::default();
        for _ in 0..3 * FAILURES {
            circuit.failed(SECOND, Entry::Free, None);
            circuit.succeeded(SECOND, SECOND);
        }
        assert_eq!(circuit.enter(SECOND), Some(Entry::Free));
        assert_eq!(opened(SECOND).enter(SECOND), None);
    }

    #[test]
    fn one_probe_goes_when_the_pause_is_over_and_decides() {
        let mut circuit = opened(SECOND);
        let due = SECOND + FIRST_PAUSE;
        assert_eq!(circuit.enter(FIRST_PAUSE), None);
        assert_eq!((circuit.enter(due), circuit.enter(due)), (Some(Entry::Probe), None), "exactly one");
        circuit.failed(due, Entry::Free, None);
        circuit.left(Entry::Free);
        assert_eq!(circuit.enter(due), None, "who went before it was opened says nothing");
        circuit.failed(due, Entry::Probe, None);
        assert_eq!(circuit.enter(due + FIRST_PAUSE), None, "the pause is doubled");
        assert_eq!(circuit.enter(due + 2 * FIRST_PAUSE), Some(Entry::Probe));
        circuit.left(Entry::Probe);
        let again = circuit.enter(due + 2 * FIRST_PAUSE);
        assert_eq!(again, Some(Entry::Probe), "a probe without a verdict gives its place back");
        circuit.succeeded(due + 2 * FIRST_PAUSE, SECOND);
        assert_eq!(circuit.enter(due + 2 * FIRST_PAUSE), Some(Entry::Free));
    }

    #[test]
    fn what_the_provider_asks_for_is_kept_to_within_a_bound() {
        let mut circuit = Circuit::default();
        circuit.failed(SECOND, Entry::Free, Some(3 * SECOND));
        assert_eq!((circuit.enter(3 * SECOND), circuit.enter(4 * SECOND)), (None, Some(Entry::Probe)));
        let mut circuit = Circuit::default();
        circuit.failed(SECOND, Entry::Free, Some(Duration::from_hours(9)));
        assert_eq!(circuit.enter(SECOND + MAX_ASKED), Some(Entry::Probe));
    }

    #[test]
    fn the_pace_follows_and_is_forgotten() {
        let mut circuit = Circuit::default();
        assert_eq!(circuit.pace_at(SECOND), None);
        circuit.succeeded(SECOND, SECOND);
        circuit.succeeded(SECOND, 2 * SECOND);
        assert!((circuit.pace_at(SECOND).unwrap() - 1.2).abs() < 1e-9);
        assert_eq!(circuit.pace_at(SECOND + FORGET_AFTER), None);
    }

    proptest! {
        /// Whatever happens in whatever order, an open circuit has at most one probe on its way, and none is lost for good.
        #[test]
        fn an_open_circuit_never_has_two_probes(steps in prop::collection::vec((0..5_u8, 0..30_u64), 1..200)) {
            let (mut circuit, mut now, mut probes) = (opened(SECOND), SECOND, 0_u32);
            for (what, seconds) in steps {
                now += Duration::from_secs(seconds);
                match (what, probes) {
                    (0, 1) => {
                        circuit.failed(now, Entry::Probe, None);
                        probes = 0;
                    }
                    (1, 1) => {
                        circuit.left(Entry::Probe);
                        probes = 0;
                    }
                    (2, _) => circuit.failed(now, Entry::Free, None),
                    (3, _) => circuit.left(Entry::Free),
                    _ => {
                        let entry = circuit.enter(now);
                        prop_assert_ne!(entry, Some(Entry::Free), "it was never told of a success");
                        probes += u32::from(entry.is_some());
                        prop_assert!(probes <= 1);
                    }
                }
            }
            circuit.left(Entry::Probe);
            prop_assert_eq!(circuit.enter(now + LAST_PAUSE), Some(Entry::Probe));
        }
    }
}
