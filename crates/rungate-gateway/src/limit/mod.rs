//! Rate limits: never more than N in any window of that length.
//!
//! [`Limiter::admit`] takes a request from all its limits in one step, or from none. It keeps the times of what it
//! admitted (`log` says how exactly), not counts of fixed windows: whichever sixty seconds are looked at, N is never
//! exceeded, and a client that waits for `retry-after` is admitted.
//!
//! Tokens are counted by what a request may use at most, and corrected, at the time they were admitted, to what it used.
//! Places among requests in flight are given back when the [`Admission`] is dropped, be it by a panic.
//!
//! Time is what has passed since the start, by a clock that never steps back, so that setting the machine's clock changes
//! nothing. A request stands at the time it brings or at the latest that was seen, whichever is later.
//!
//! **After a restart** [`Limiter::restore`] takes what the log of requests knows of the time before; until it has, requests wait
//! ([`Limiter::counted`]). Requests in flight end with the process.
//!
//! **Memory** is bounded in bytes. A counter is forgotten once nothing of it is in its window or in flight; requests that
//! come in look for such counters, a few each. Runs and addresses, which callers make up, have at most three quarters of
//! the room, and those of one workspace one quarter. Where there is no room for a new counter, the request is refused
//! ([`Refused::Crowded`]); a counter that has no room to grow counts more coarsely, and admits less.

mod log;
mod table;
mod terms;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rungate_core::id::WorkspaceId;
use tokio::sync::watch;

pub use terms::{Counter, Limit, Refused, Standing, Subject, Unit};

use table::Table;
use terms::{IN_FLIGHT_RETRY, nanos};

/// Nanoseconds that the times of the log are ahead of the clock, so that what is restored from before the start has a
/// time too: two days.
const BEFORE_START_NS: u64 = 2 * 24 * 60 * 60 * 1_000_000_000;

/// So long a request waits for what was admitted before the start to be counted.
const RECOUNT_PATIENCE: Duration = Duration::from_secs(10);

/// Counts what it admits, for all limits of this process. A clone is the same limiter.
#[derive(Debug, Clone)]
pub struct Limiter {
    state: Arc<Mutex<State>>,
    counted: Arc<watch::Sender<bool>>,
}

/// What was admitted before the start is being counted, until this is dropped.
#[derive(Debug)]
pub struct Recounting(Arc<watch::Sender<bool>>);

impl Drop for Recounting {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

#[derive(Debug)]
struct State {
    table: Table,
    /// The latest time that was seen.
    now: u64,
    /// The slots of the limits that are being decided on; kept for its memory.
    found: Vec<Option<u32>>,
}

/// A request that was admitted. Dropped when the exchange ends, however it ends: that gives its places back.
#[derive(Debug)]
#[must_use = "dropping it says that the request has ended"]
pub struct Admission {
    limiter: Limiter,
    held: Vec<Held>,
    standing: Option<Standing>,
    exceeded: Vec<usize>,
}

/// What an admission comes back for.
#[derive(Debug)]
enum Held {
    Place { slot: u32 },
    Tokens { slot: u32, at: u64, reserved: u64 },
}

impl Limiter {
    /// A limiter that takes at most about so many bytes; 64 MiB have room for some hundred thousand counters.
    pub fn new(capacity_bytes: usize) -> Self {
        let state = State { table: Table::new(capacity_bytes), now: 0, found: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)), counted: Arc::new(watch::Sender::new(true)) }
    }

    /// Lets requests wait until what was admitted before the start is counted.
    pub fn recounting(&self) -> Recounting {
        self.counted.send_replace(false);
        Recounting(Arc::clone(&self.counted))
    }

    /// Returns once what was admitted before the start is counted, or after [`RECOUNT_PATIENCE`].
    pub async fn counted(&self) {
        if *self.counted.borrow() {
            return;
        }
        let mut counted = self.counted.subscribe();
        let waited = tokio::time::timeout(RECOUNT_PATIENCE, counted.wait_for(|counted| *counted)).await;
        if waited.is_err() {
            tracing::warn!("a rate limit is asked before what was admitted earlier is counted");
        }
    }

    /// Admits a request of `workspace` if all its `limits` allow it, and counts it in all of them; else in none.
    ///
    /// `now` is the time since the start. `tokens` is the most that it may use.
    pub fn admit(
        &self,
        now: Duration,
        workspace: WorkspaceId,
        limits: &[Limit],
        tokens: u64,
    ) -> Result<Admission, Refused> {
        let mut admission =
            Admission { limiter: self.clone(), held: Vec::new(), standing: None, exceeded: Vec::new() };
        if limits.is_empty() {
            return Ok(admission);
        }
        let mut state = self.lock();
        let now = state.advance(now);
        state.table.tidy(now);
        admission.exceeded = match state.prepare(now, workspace, limits, tokens) {
            Err(Refused::Crowded) => {
                state.table.make_room(now);
                state.prepare(now, workspace, limits, tokens)?
            }
            prepared => prepared?,
        };
        for (number, limit) in limits.iter().enumerate() {
            // An unenforced limit without room is not counted: nobody is refused for what only logs.
            let Some(slot) = state.found[number] else { continue };
            if admission.exceeded.contains(&number) {
                continue;
            }
            admission.held.extend(state.take(now, slot, limit, tokens));
            let standing = state.standing(now, Some(slot), limit);
            if limit.enforced && admission.standing.is_none_or(|tightest| standing.is_tighter_than(&tightest))
            {
                admission.standing = Some(standing);
            }
        }
        Ok(admission)
    }

    /// Counts what was admitted before the process started: each an amount and how long ago that was. `most` is the limit
    /// that holds now; what is restored may be above it. Nothing is refused for what it finds no room for.
    pub fn restore(
        &self,
        now: Duration,
        workspace: WorkspaceId,
        counter: &Counter,
        most: u64,
        admitted: impl IntoIterator<Item = (Duration, u64)>,
    ) {
        let Some(window) = counter.unit.window().map(nanos) else { return };
        let mut state = self.lock();
        let now = state.advance(now);
        for (ago, amount) in admitted {
            let at = now.saturating_sub(nanos(ago));
            if at.saturating_add(window) <= now {
                continue;
            }
            let found = state.table.find(counter);
            let Some(slot) = found.or_else(|| state.table.add(workspace, counter)) else { return };
            state.table.change_log(slot, |log, may_grow| log.insert(at, window, most, amount, may_grow));
        }
    }

    /// Counters that are kept now.
    pub fn counters(&self) -> usize {
        self.lock().table.len()
    }

    /// Bytes that are taken now, of those it was made with.
    pub fn bytes(&self) -> usize {
        self.lock().table.bytes()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn advance(&mut self, now: Duration) -> u64 {
        self.now = self.now.max(nanos(now).saturating_add(BEFORE_START_NS));
        self.now
    }

    /// Whether all limits allow it. Gives those that only log and would not, and leaves in `found` where the others are.
    fn check(&mut self, now: u64, limits: &[Limit], tokens: u64) -> Result<Vec<usize>, Refused> {
        self.found.clear();
        let mut exceeded = Vec::new();
        let mut refusing: Option<(usize, Option<u64>)> = None;
        for (number, limit) in limits.iter().enumerate() {
            let slot = self.table.find(&limit.counter);
            self.found.push(slot);
            let wait = self.wait(now, slot, limit, tokens);
            if wait == Some(0) {
                continue;
            }
            if !limit.enforced {
                exceeded.push(number);
            } else if refusing.is_none_or(|(_, longest)| takes_longer(wait, longest)) {
                refusing = Some((number, wait));
            }
        }
        let Some((number, wait)) = refusing else { return Ok(exceeded) };
        let standing = self.standing(now, self.found[number], &limits[number]);
        Err(Refused::Reached { limit: number, standing, retry_after: wait.map(Duration::from_nanos) })
    }

    /// Nanoseconds until a limit allows it: 0 when it does, `None` when it never will.
    fn wait(&mut self, now: u64, slot: Option<u32>, limit: &Limit, tokens: u64) -> Option<u64> {
        let amount = amount(limit, tokens);
        let Some(slot) = slot else { return (amount <= limit.most).then_some(0) };
        let log = &mut self.table.slot(slot).log;
        let Some(window) = limit.counter.unit.window().map(nanos) else {
            return if log.used() < limit.most { Some(0) } else { Some(nanos(IN_FLIGHT_RETRY)) };
        };
        log.expire(now, window);
        log.wait(now, window, limit.most, amount)
    }

    /// Finds out whether all limits allow it, and makes the counters that are not there yet. Gives the limits that only
    /// log and would not allow it.
    fn prepare(
        &mut self,
        now: u64,
        workspace: WorkspaceId,
        limits: &[Limit],
        tokens: u64,
    ) -> Result<Vec<usize>, Refused> {
        let exceeded = self.check(now, limits, tokens)?;
        for (number, limit) in limits.iter().enumerate() {
            if self.found[number].is_some() || exceeded.contains(&number) {
                continue;
            }
            self.found[number] = self.table.add(workspace, &limit.counter);
            if self.found[number].is_none() && limit.enforced {
                return Err(Refused::Crowded);
            }
        }
        Ok(exceeded)
    }

    fn take(&mut self, now: u64, slot: u32, limit: &Limit, tokens: u64) -> Option<Held> {
        let Some(window) = limit.counter.unit.window().map(nanos) else {
            let place = self.table.slot(slot);
            place.log.enter();
            place.holders += 1;
            return Some(Held::Place { slot });
        };
        let amount = amount(limit, tokens);
        let at =
            self.table.change_log(slot, |log, may_grow| log.take(now, window, limit.most, amount, may_grow));
        if limit.counter.unit != Unit::TokensPerMinute {
            return None;
        }
        self.table.slot(slot).holders += 1;
        Some(Held::Tokens { slot, at, reserved: amount })
    }

    fn standing(&mut self, now: u64, slot: Option<u32>, limit: &Limit) -> Standing {
        let Counter { subject, unit, .. } = &limit.counter;
        let log = slot.map(|slot| &self.table.slot(slot).log);
        let used = log.map_or(0, log::Log::used);
        let reset = match unit.window() {
            Some(window) => {
                Duration::from_nanos(log.map_or(0, |log| log.oldest_leaves_in(now, nanos(window))))
            }
            None => IN_FLIGHT_RETRY,
        };
        Standing {
            scope: subject.scope(),
            unit: *unit,
            limit: limit.most,
            remaining: limit.most.saturating_sub(used),
            reset,
        }
    }
}

impl Admission {
    /// How the tightest limit stands with this request counted; `None` when none applies.
    pub const fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    /// Which of the limits that were passed in only log and would have refused.
    pub fn exceeded(&self) -> &[usize] {
        &self.exceeded
    }

    /// Says how many tokens it used. Until then, and when it is dropped without, it counts as what it may use at most.
    pub fn settle_tokens(&mut self, used: u64) {
        let held_tokens = self.held.iter().any(|held| matches!(held, Held::Tokens { .. }));
        if !held_tokens {
            return;
        }
        let window = Unit::TokensPerMinute.window_ns();
        let mut state = self.limiter.lock();
        let now = state.now;
        self.held.retain(|held| {
            let Held::Tokens { slot, at, reserved } = *held else { return true };
            let slot = state.table.slot(slot);
            slot.log.correct(now, window, at, reserved, used);
            slot.holders -= 1;
            false
        });
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let mut state = self.limiter.lock();
        for held in &self.held {
            match *held {
                Held::Place { slot } => {
                    let slot = state.table.slot(slot);
                    slot.log.leave();
                    slot.holders -= 1;
                }
                Held::Tokens { slot, .. } => state.table.slot(slot).holders -= 1,
            }
        }
    }
}

/// What a request takes from a limit.
const fn amount(limit: &Limit, tokens: u64) -> u64 {
    match limit.counter.unit {
        Unit::TokensPerMinute => tokens,
        _ => 1,
    }
}

/// Whether one wait is longer than another; `None` is for ever.
const fn takes_longer(one: Option<u64>, other: Option<u64>) -> bool {
    match (one, other) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(one), Some(other)) => one > other,
    }
}
