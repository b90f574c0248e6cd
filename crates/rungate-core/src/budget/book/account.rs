//! One account: what is spent in its windows and reserved on it.

use crate::budget::book::outcome::Past;
use crate::budget::resource::Budget;
use crate::budget::window::Span;
use crate::exchange::Sequence;
use crate::money::NanoUsd;
use crate::time::Timestamp;

/// An account keeps this many windows at most. Exchanges of two meet around a boundary; a third and fourth are
/// for clocks that step. A window that is dropped is asked for again.
const MAX_TALLIES: usize = 4;

/// Settlements that are remembered while past spend is awaited; beyond, a later cut is asked for instead.
const MAX_SINCE: usize = 1_024;

/// One account. Sums are wider than money, so that no number of reservations can overflow them.
#[derive(Debug)]
pub(super) struct Account {
    /// The budget's slot.
    pub(super) budget: usize,
    /// The session or run, where each has an account of its own.
    pub(super) instance: Option<Box<str>>,
    /// How many open reservations are on it. Some hold nothing.
    pub(super) holds: usize,
    /// What they hold, of whichever window.
    pub(super) reserved: i128,
    /// The last closing that was settled on it: a later sum of its past spend must reach as far.
    pub(super) last: Sequence,
    /// When it was last asked for, as a count of requests.
    pub(super) touched: u64,
    tallies: Vec<Tally>,
}

/// What is spent in one window.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) span: Span,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// Past spend is asked for under `ticket`. It must include everything up to `least`; what settled since is
    /// remembered.
    Awaited { ticket: u64, least: Sequence, since: Vec<(Sequence, i128)> },
    /// Past spend included everything up to `cut`.
    Known { spent: i128, cut: Sequence, notified: u16 },
}

impl Account {
    pub(super) const fn new(budget: usize, instance: Option<Box<str>>, last: Sequence) -> Self {
        Self { budget, instance, holds: 0, reserved: 0, last, touched: 0, tallies: Vec::new() }
    }

    /// The tally of the window that holds the moment.
    pub(super) fn tally(&self, at: Timestamp) -> Option<&Tally> {
        self.tallies.iter().find(|tally| tally.span.contains(at))
    }

    fn tally_mut(&mut self, at: Timestamp) -> Option<&mut Tally> {
        self.tallies.iter_mut().find(|tally| tally.span.contains(at))
    }

    /// The tally of the window that holds the moment; awaited from now on when there was none.
    /// `ticket` names the question, which no other may have.
    pub(super) fn expect_tally(&mut self, at: Timestamp, budget: &Budget, ticket: u64) -> &Tally {
        let known = self.tallies.iter().position(|tally| tally.span.contains(at));
        let place = known.unwrap_or_else(|| {
            if self.tallies.len() == MAX_TALLIES {
                self.tallies.remove(0);
            }
            let span = budget.window.span_at(at, &budget.timezone);
            let state = State::Awaited { ticket, least: self.last, since: Vec::new() };
            self.tallies.push(Tally { span, state });
            self.tallies.len() - 1
        });
        &self.tallies[place]
    }

    /// Forgets what was spent in all windows; it is asked for again where it is needed.
    pub(super) fn forget_windows(&mut self) {
        self.tallies.clear();
    }

    /// Whether it may be evicted: it is of one session or run, and no reservation is on it.
    pub(super) const fn is_idle(&self) -> bool {
        self.instance.is_some() && self.holds == 0
    }

    /// Adds a reservation. Answers whether the account was idle before.
    pub(super) fn hold(&mut self, amount: NanoUsd) -> bool {
        let was_idle = self.is_idle();
        self.holds += 1;
        self.reserved += i128::from(amount.nanos());
        was_idle
    }

    /// Takes a reservation away. Answers whether the account is idle now.
    pub(super) fn unhold(&mut self, amount: NanoUsd) -> bool {
        self.holds -= 1;
        self.reserved -= i128::from(amount.nanos());
        self.is_idle()
    }

    /// Counts a cost in the window that holds the moment, and says what is spent in it. `None` when the window's spend is not known here: the
    /// store will say it, and `last` makes sure that it includes this.
    pub(super) fn spend(&mut self, created: Timestamp, cost: NanoUsd, at: Sequence) -> Option<i128> {
        self.last = self.last.max(at);
        let tally = self.tally_mut(created)?;
        let cost = i128::from(cost.nanos());
        match &mut tally.state {
            State::Awaited { since, .. } if since.len() < MAX_SINCE => {
                since.push((at, cost));
                None
            }
            State::Awaited { least, since, .. } => {
                let latest = since.drain(..).map(|(at, _)| at).max().unwrap_or(at);
                *least = (*least).max(latest).max(at);
                None
            }
            State::Known { spent, cut, .. } => {
                if at > *cut {
                    *spent += cost;
                }
                Some(*spent)
            }
        }
    }

    /// Takes past spend for the window that awaits it under this ticket. `None`: none does. `Err`: what the sum must
    /// include at least.
    pub(super) fn load(&mut self, ticket: u64, past: Past) -> Option<Result<(), Sequence>> {
        let awaits =
            |tally: &&mut Tally| matches!(tally.state, State::Awaited { ticket: own, .. } if own == ticket);
        let tally = self.tallies.iter_mut().find(awaits)?;
        let State::Awaited { least, since, .. } = &tally.state else { return None };
        if past.cut < *least {
            return Some(Err(*least));
        }
        let later: i128 = since.iter().filter(|(at, _)| *at > past.cut).map(|(_, cost)| cost).sum();
        let spent = i128::from(past.spent.nanos()) + later;
        tally.state = State::Known { spent, cut: past.cut, notified: past.notified };
        Some(Ok(()))
    }

    /// Lets thresholds above what is spent be reported again, after the limit was raised. Sums on their way may come
    /// with what was reported under the limit before, so they are asked for again.
    pub(super) fn rearm(&mut self, budget: &Budget) {
        self.tallies.retain(|tally| matches!(tally.state, State::Known { .. }));
        for tally in &mut self.tallies {
            if let State::Known { spent, notified, .. } = &mut tally.state {
                let reached = reached(budget, *spent).last().copied().unwrap_or(0);
                *notified = (*notified).min(reached);
            }
        }
    }

    /// Thresholds that are passed and were not reported: the account's instance, their window, percentage, and what is
    /// spent. They count as reported from now on.
    pub(super) fn passed(&mut self, budget: &Budget, mut report: impl FnMut(Option<&str>, Span, u16, i128)) {
        let instance = self.instance.as_deref();
        for tally in &mut self.tallies {
            let State::Known { spent, notified, .. } = &mut tally.state else { continue };
            for percent in reached(budget, *spent) {
                if *percent > *notified {
                    *notified = *percent;
                    report(instance, tally.span, *percent, *spent);
                }
            }
        }
    }
}

/// The thresholds that a spend has reached. Nothing spent reaches none, whatever the limit.
pub(super) fn reached(budget: &Budget, spent: i128) -> &[u16] {
    let percents = budget.thresholds.percents();
    if spent <= 0 {
        return &[];
    }
    let limit = i128::from(budget.limit.amount().nanos());
    let count = percents.partition_point(|percent| spent * 100 >= i128::from(*percent) * limit);
    &percents[..count]
}

/// A sum as money, held at the ends of its range.
pub(super) fn money(sum: i128) -> NanoUsd {
    let held = sum.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    NanoUsd::from_nanos(i64::try_from(held).unwrap_or(i64::MAX))
}
