//! Exchanges and their attempts at providers.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use rungate_core::exchange::{Attempt, ExchangeRecord};
use rungate_llm::providers;

use super::Labels;

/// Upper ends of the buckets, in seconds, for what the gateway itself adds.
const OVERHEAD: [f64; 10] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25];
/// The same for answers, which models take their time over.
const DURATION: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0];

/// The metrics of exchanges.
pub struct Group {
    exchanges: Family<Labels<2>, Counter>,
    errors: Family<Labels<1>, Counter>,
    attempts: Family<Labels<2>, Counter>,
    cost: Family<Labels<1>, Counter>,
    overhead: Histogram,
    duration: Family<Labels<1>, Histogram, fn() -> Histogram>,
}

impl Group {
    /// Registers the group.
    pub fn new(registry: &mut Registry) -> Self {
        let group = Self {
            exchanges: Family::default(),
            errors: Family::default(),
            attempts: Family::default(),
            cost: Family::default(),
            overhead: Histogram::new(OVERHEAD),
            duration: Family::new_with_constructor(|| Histogram::new(DURATION)),
        };
        registry.register(
            "exchanges",
            "Exchanges of identified workspaces, by how they ended",
            group.exchanges.clone(),
        );
        registry.register("exchange_errors", "Exchanges that did not succeed, by code", group.errors.clone());
        registry.register(
            "upstream_attempts",
            "Tries at providers, by what came of them",
            group.attempts.clone(),
        );
        registry.register("cost_nano_usd", "What exchanges cost, as far as it is known", group.cost.clone());
        registry.register_with_unit(
            "exchange_overhead",
            "What the gateway itself takes before it sends the request upstream",
            Unit::Seconds,
            group.overhead.clone(),
        );
        registry.register_with_unit(
            "exchange_duration",
            "From the first byte in to the last byte out",
            Unit::Seconds,
            group.duration.clone(),
        );
        group
    }

    /// Counts an exchange that has ended.
    #[expect(clippy::cast_precision_loss, reason = "a histogram needs no more than 52 bits of a duration")]
    pub fn closed(&self, record: &ExchangeRecord) {
        let kind = ("kind", record.kind.as_str());
        self.exchanges.get_or_create(&[kind, ("outcome", record.outcome.as_str())]).inc();
        if let Some(code) = record.error_code {
            self.errors.get_or_create(&[("code", code.as_str())]).inc();
        }
        for attempt in &record.attempts {
            let labels = [("provider", provider(&attempt.provider)), ("result", result(attempt))];
            self.attempts.get_or_create(&labels).inc();
        }
        if let (Some(cost), Some(answered_by)) = (record.cost, &record.provider) {
            let labels = [("provider", provider(answered_by))];
            self.cost.get_or_create(&labels).inc_by(u64::try_from(cost.nanos()).unwrap_or(0));
        }
        if let Some(overhead) = record.overhead_us {
            self.overhead.observe(overhead as f64 / 1e6);
        }
        if let Some(latency) = record.latency_ms {
            self.duration.get_or_create(&[kind]).observe(latency as f64 / 1e3);
        }
    }
}

/// The provider's id out of the registry, which is closed; records hold text.
fn provider(id: &str) -> &'static str {
    providers::find(id).map_or("other", |provider| provider.id)
}

const fn result(attempt: &Attempt) -> &'static str {
    match attempt.status {
        None => "no_answer",
        Some(200..300) => "2xx",
        Some(429) => "429",
        Some(400..500) => "4xx",
        Some(_) => "5xx",
    }
}
