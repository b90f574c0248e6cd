//! What one counter has admitted lately.
//!
//! An entry says how much was admitted at a time. Times are nanoseconds since a moment before the start; they never
//! fall along the log.
//!
//! **Exact** up to [`PIECES`] a window: every admission stands at its own time. Above that an admission's time is
//! rounded *up* to a 1024th of the window, so that it is counted for up to that much longer, and never shorter: what is
//! admitted is at most the limit in any window, and at least what an exact log would admit with a window longer by a
//! 1024th (0.1 %: 59 ms of a minute, 3.6 s of an hour, 85 s of a day). From rest, a burst of the whole limit is
//! admitted either way.
//!
//! Where entries cannot be as many as there are times (memory is full, or a limit was changed), an admission joins an
//! entry of a later time, which again can only admit less.

use std::collections::VecDeque;

/// Pieces that a window is cut into, and the largest limit that is counted exactly.
pub(super) const PIECES: u64 = 1024;
/// The most entries: one for each piece, and the one that `now` is in.
const MAX_ENTRIES: usize = 1025;
/// The most that is believed of one admission: a little more than the largest limit of tokens. Sums of it fit.
const MAX_AMOUNT: u64 = 1 << 40;
/// Entries that a log has room for from its start.
const FIRST_ENTRIES: usize = 4;

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: u64,
    amount: u64,
}

/// The log of one counter, or the places of one that counts what is in flight: that has no entries.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    /// All that the entries hold, or the places taken.
    used: u64,
}

impl Log {
    /// What is counted now.
    pub(super) const fn used(&self) -> u64 {
        self.used
    }

    /// Bytes of a log that was just made.
    pub(super) const fn first_bytes() -> usize {
        FIRST_ENTRIES * size_of::<Entry>()
    }

    /// Bytes that it has taken for its entries.
    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity().max(FIRST_ENTRIES) * size_of::<Entry>()
    }

    /// Bytes that its next entry may add.
    pub(super) fn growth_bytes(&self) -> usize {
        (self.next_capacity() * size_of::<Entry>()).saturating_sub(self.bytes())
    }

    fn next_capacity(&self) -> usize {
        let entries = self.entries.len();
        if entries < self.entries.capacity() {
            return self.entries.capacity();
        }
        (entries * 2).clamp(FIRST_ENTRIES, MAX_ENTRIES)
    }

    /// Forgets what has left the window.
    pub(super) fn expire(&mut self, now: u64, window: u64) {
        while let Some(oldest) = self.entries.front().filter(|oldest| oldest.at + window <= now) {
            self.used = self.used.saturating_sub(oldest.amount);
            self.entries.pop_front();
        }
    }

    /// Nanoseconds until `amount` more fits below `most`; 0 when it fits now, `None` when it never does.
    /// What has left the window must be forgotten already.
    pub(super) fn wait(&self, now: u64, window: u64, most: u64, amount: u64) -> Option<u64> {
        if amount > most {
            return None;
        }
        let mut excess = self.used.saturating_add(amount).saturating_sub(most);
        if excess == 0 {
            return Some(0);
        }
        let last = self.entries.iter().find(|entry| {
            excess = excess.saturating_sub(entry.amount);
            excess == 0
        })?;
        Some((last.at + window).saturating_sub(now))
    }

    /// Nanoseconds until the oldest leaves the window; 0 when there is none.
    pub(super) fn oldest_leaves_in(&self, now: u64, window: u64) -> u64 {
        self.entries.front().map_or(0, |oldest| (oldest.at + window).saturating_sub(now))
    }

    /// Counts `amount` as admitted at `now`, or up to a piece later, and gives the time it stands at.
    pub(super) fn take(&mut self, now: u64, window: u64, most: u64, amount: u64, may_grow: bool) -> u64 {
        let at = self.entries.back().map_or(0, |last| last.at).max(rounded(now, window, most));
        self.used = self.used.saturating_add(amount);
        let full = self.entries.len() >= MAX_ENTRIES
            || (self.entries.len() == self.entries.capacity() && !may_grow && !self.entries.is_empty());
        match self.entries.back_mut() {
            Some(last) if last.at == at || full => {
                last.at = at;
                last.amount = last.amount.saturating_add(amount);
            }
            _ => {
                self.make_room();
                self.entries.push_back(Entry { at, amount });
            }
        }
        at
    }

    /// Counts `amount` as admitted at a time that has passed, in its order.
    pub(super) fn insert(&mut self, at: u64, window: u64, most: u64, amount: u64, may_grow: bool) {
        let at = rounded(at, window, most);
        let amount = amount.min(MAX_AMOUNT);
        let place = self.entries.partition_point(|entry| entry.at < at);
        let full =
            self.entries.len() >= MAX_ENTRIES || (self.entries.len() == self.entries.capacity() && !may_grow);
        match self.entries.get_mut(place) {
            Some(later) if later.at == at || full => {
                later.amount = later.amount.saturating_add(amount);
                self.used = self.used.saturating_add(amount);
            }
            None => _ = self.take(at, window, most, amount, may_grow),
            Some(_) => {
                self.make_room();
                self.entries.insert(place, Entry { at, amount });
                self.used = self.used.saturating_add(amount);
            }
        }
    }

    /// Makes what was taken at `at` another amount, unless it has left the window. An entry is never moved to an earlier
    /// time, so that the first one from `at` on holds it.
    pub(super) fn correct(&mut self, now: u64, window: u64, at: u64, from: u64, to: u64) {
        let place = self.entries.partition_point(|entry| entry.at < at);
        let Some(entry) = self.entries.get_mut(place).filter(|_| at + window > now) else { return };
        let less = from.saturating_sub(to).min(entry.amount);
        let more = to.min(MAX_AMOUNT).saturating_sub(from);
        entry.amount = (entry.amount - less).saturating_add(more);
        self.used = self.used.saturating_sub(less).saturating_add(more);
    }

    /// Takes a place of what is in flight.
    pub(super) const fn enter(&mut self) {
        self.used += 1;
    }

    /// Gives a place back.
    pub(super) const fn leave(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    fn make_room(&mut self) {
        self.entries.reserve_exact(self.next_capacity() - self.entries.len());
    }
}

/// The time at which an admission stands in the log.
const fn rounded(at: u64, window: u64, most: u64) -> u64 {
    if most <= PIECES { at } else { at.next_multiple_of(window.div_ceil(PIECES)) }
}
