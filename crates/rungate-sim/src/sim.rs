//! What the simulated provider remembers between requests.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::SimConfig;
use crate::directives::Directives;
use crate::stats::Stats;
use crate::store::Store;

/// So many model names are counted for `fail=`; then the counts start anew.
const MAX_COUNTED_MODELS: usize = 4096;

/// One simulated provider.
pub(crate) struct Sim {
    pub config: SimConfig,
    pub stats: Arc<Stats>,
    pub store: Store,
    /// What holds where a model name says nothing else; tests change it.
    defaults: Mutex<Arc<Directives>>,
    failures: Mutex<HashMap<String, u32>>,
    /// Makes the ids of two simulated providers differ.
    seed: u64,
    next_id: AtomicU64,
}

impl Sim {
    pub fn new(config: SimConfig) -> Self {
        Self {
            stats: Arc::default(),
            store: Store::default(),
            defaults: Mutex::new(Arc::new(config.directives.clone())),
            failures: Mutex::default(),
            seed: RandomState::new().hash_one(0),
            next_id: AtomicU64::new(1),
            config,
        }
    }

    /// A new id such as `resp_9f0c…`.
    pub fn id(&self, prefix: &str) -> String {
        let number = self.next_id.fetch_add(1, Ordering::Relaxed);
        format!("{prefix}{:016x}{number:08x}", self.seed)
    }

    pub fn defaults(&self) -> Arc<Directives> {
        Arc::clone(&self.defaults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set_defaults(&self, directives: Directives) {
        *self.defaults.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(directives);
    }

    /// Whether this request of `model` is one of the first `count`.
    pub fn is_among_first(&self, model: &str, count: u32) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MAX_COUNTED_MODELS && !failures.contains_key(model) {
            failures.clear();
        }
        let seen = failures.entry(model.to_owned()).or_default();
        let is_among = *seen < count;
        *seen = seen.saturating_add(1);
        is_among
    }

    /// Back to the start: counts, stored responses, failures and default behaviour.
    pub fn reset(&self) {
        self.stats.reset();
        self.store.clear();
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.set_defaults(self.config.directives.clone());
    }
}
