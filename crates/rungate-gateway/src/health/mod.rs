//! Which provider keys answer and how fast, as far as requests that may go elsewhere have found out. Each node for itself.

mod circuit;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rungate_core::id::ProviderKeyId;
use rungate_core::policy::Balance;

use crate::directory::ProviderAccess;

use circuit::{Circuit, Entry};

/// Groups of keys whose turns are remembered; beyond it all begin anew.
const MAX_GROUPS: usize = 10_000;

/// Knows provider keys. One per process.
#[derive(Debug, Default)]
pub struct Health {
    circuits: Mutex<HashMap<ProviderKeyId, Circuit>>,
    turns: Mutex<HashMap<u64, HashMap<ProviderKeyId, i64>>>,
}

/// A request's place at a provider key. Dropped without a verdict, it says nothing of the key.
#[derive(Debug)]
pub struct Place<'a> {
    health: &'a Health,
    key: ProviderKeyId,
    entry: Entry,
    is_judged: bool,
}

impl Health {
    /// A place at the key; `None` while its circuit is open.
    pub fn enter(&self, key: ProviderKeyId, now: Duration) -> Option<Place<'_>> {
        let entry = self.circuits().entry(key).or_default().enter(now)?;
        Some(Place { health: self, key, entry, is_judged: false })
    }

    /// A place at the key although its circuit is open.
    pub fn insist(&self, key: ProviderKeyId) -> Place<'_> {
        Place { health: self, key, entry: Entry::Free, is_judged: false }
    }

    /// Whether [`Health::enter`] would give a place.
    pub fn is_open_to(&self, key: ProviderKeyId, now: Duration) -> bool {
        self.circuits().get(&key).is_none_or(|circuit| circuit.clone().enter(now).is_some())
    }

    /// Since when the key's circuit has been open.
    pub fn open_since(&self, key: ProviderKeyId) -> Option<Duration> {
        self.circuits().get(&key).and_then(Circuit::open_since)
    }

    /// Puts first whose turn it is; the rest stays in its order.
    pub fn balance(&self, balance: Balance, keys: &mut [Arc<ProviderAccess>], now: Duration) {
        if keys.len() < 2 {
            return;
        }
        let first = match balance {
            Balance::Priority => return,
            Balance::Weighted => self.next_by_weight(keys),
            Balance::LeastLatency => self.fastest(keys, now),
        };
        if let Some(front) = keys.get_mut(..=first) {
            front.rotate_right(1);
        }
    }

    /// Smooth weighted round robin: over any run of as many turns as the weights add up to, each key gets its weight.
    fn next_by_weight(&self, keys: &[Arc<ProviderAccess>]) -> usize {
        let mut group = DefaultHasher::new();
        for access in keys {
            access.key.id().hash(&mut group);
        }
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= MAX_GROUPS {
            turns.clear();
        }
        let standing = turns.entry(group.finish()).or_default();
        let mut best = (0, i64::MIN);
        for (place, access) in keys.iter().enumerate() {
            let credit = standing.entry(access.key.id()).or_default();
            *credit += i64::from(access.key.weight);
            if *credit > best.1 {
                best = (place, *credit);
            }
        }
        let total: i64 = keys.iter().map(|access| i64::from(access.key.weight)).sum();
        if let Some(credit) = keys.get(best.0).and_then(|access| standing.get_mut(&access.key.id())) {
            *credit -= total;
        }
        best.0
    }

    /// One of which nobody knows goes first, so that somebody does.
    fn fastest(&self, keys: &[Arc<ProviderAccess>], now: Duration) -> usize {
        let circuits = self.circuits();
        let pace = |access: &Arc<ProviderAccess>| {
            circuits.get(&access.key.id()).and_then(|circuit| circuit.pace_at(now)).unwrap_or(0.0)
        };
        let paces = keys.iter().map(pace).enumerate();
        paces.min_by(|(_, one), (_, other)| one.total_cmp(other)).map_or(0, |(place, _)| place)
    }

    fn circuits(&self) -> MutexGuard<'_, HashMap<ProviderKeyId, Circuit>> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, key: ProviderKeyId, verdict: impl FnOnce(&mut Circuit)) {
        if let Some(circuit) = self.circuits().get_mut(&key) {
            verdict(circuit);
        }
    }
}

impl Place<'_> {
    /// The key answered within `took`.
    pub fn succeeded(mut self, now: Duration, took: Duration) {
        self.is_judged = true;
        self.health.judge(self.key, |circuit| circuit.succeeded(now, took));
    }

    /// The key failed, and asks to be left alone for a while.
    pub fn failed(mut self, now: Duration, asked: Option<Duration>) {
        self.is_judged = true;
        let entry = self.entry;
        self.health.judge(self.key, |circuit| circuit.failed(now, entry, asked));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.is_judged {
            self.health.judge(self.key, |circuit| circuit.left(self.entry));
        }
    }
}
