//! The journal and the memory for bodies, read when metrics are.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rungate_gateway::journal::Journal;
use rungate_gateway::memory::MemoryPool;

use crate::http::health::Components;

/// The metrics of what is held.
pub struct Group {
    journal: Arc<Journal>,
    memory: MemoryPool,
    undrained_bytes: Gauge,
    undrained_entries: Gauge,
    stalled_seconds: Gauge,
    memory_bytes: Gauge,
}

impl Group {
    /// Registers the group.
    pub fn new(registry: &mut Registry, journal: Arc<Journal>, memory: MemoryPool) -> Self {
        let group = Self {
            journal,
            memory,
            undrained_bytes: Gauge::default(),
            undrained_entries: Gauge::default(),
            stalled_seconds: Gauge::default(),
            memory_bytes: Gauge::default(),
        };
        let gauges = [
            ("journal_undrained_bytes", "In the journal and not in the log yet", &group.undrained_bytes),
            ("journal_undrained_entries", "In the journal and not in the log yet", &group.undrained_entries),
            ("journal_stalled_seconds", "How long the log has been refusing entries", &group.stalled_seconds),
            ("memory_pool_bytes", "Taken by the bodies of exchanges in flight", &group.memory_bytes),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        group
    }

    /// Looks at what is held now.
    pub fn refresh(&self) {
        let held = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.undrained_bytes.set(held(self.journal.undrained_bytes()));
        self.undrained_entries.set(held(self.journal.undrained_entries()));
        self.stalled_seconds.set(held(self.journal.stalled_for().map_or(0, |stalled| stalled.as_secs())));
        self.memory_bytes.set(held(self.memory.used_bytes() as u64));
    }

    /// What readiness speaks of.
    pub fn components(&self) -> Components {
        Components {
            log_stalled: self.journal.stalled_for().is_some(),
            journal_undrained_bytes: self.journal.undrained_bytes(),
        }
    }
}
