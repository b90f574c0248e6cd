//! Answers that are kept for equal requests.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rungate_core::exchange::ExchangeRecord;
use rungate_gateway::cache::Cache;

use super::Labels;

/// The metrics of the cache.
pub struct Group {
    cache: Arc<Cache>,
    exchanges: Family<Labels<1>, Counter>,
    saved: Counter,
    bytes: Gauge,
    answers: Gauge,
}

impl Group {
    /// Registers the group.
    pub fn new(registry: &mut Registry, cache: Arc<Cache>) -> Self {
        let group = Self {
            cache,
            exchanges: Family::default(),
            saved: Counter::default(),
            bytes: Gauge::default(),
            answers: Gauge::default(),
        };
        registry.register(
            "cache_exchanges",
            "Exchanges for which caching was asked, by what came of it (hit, miss, bypass)",
            group.exchanges.clone(),
        );
        registry.register(
            "cache_saved_nano_usd",
            "What hits would have cost, as far as it is known",
            group.saved.clone(),
        );
        registry.register("cache_bytes", "Taken by answers that are kept", group.bytes.clone());
        registry.register("cache_answers", "Answers that are kept", group.answers.clone());
        group
    }

    /// Counts an exchange that has ended.
    pub fn closed(&self, record: &ExchangeRecord) {
        let Some(cache) = record.cache else { return };
        self.exchanges.get_or_create(&[("result", cache.as_str())]).inc();
        if let Some(saved) = record.cache_saved {
            self.saved.inc_by(u64::try_from(saved.nanos()).unwrap_or(0));
        }
    }

    /// Looks at what is kept now.
    pub fn refresh(&self) {
        self.bytes.set(i64::try_from(self.cache.bytes()).unwrap_or(i64::MAX));
        self.answers.set(i64::try_from(self.cache.len()).unwrap_or(i64::MAX));
    }
}
