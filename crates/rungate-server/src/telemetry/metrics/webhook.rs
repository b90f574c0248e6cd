//! Outgoing webhooks.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rungate_gateway::webhook::Tried;

use super::Labels;

/// The metrics of deliveries.
pub struct Group {
    tries: Family<Labels<1>, Counter>,
    pending: Gauge,
    oldest_seconds: Gauge,
}

impl Group {
    /// Registers the group.
    pub fn new(registry: &mut Registry) -> Self {
        let group =
            Self { tries: Family::default(), pending: Gauge::default(), oldest_seconds: Gauge::default() };
        registry.register(
            "webhook_deliveries",
            "Tries that delivered an event, failed, or were the last (dead); and events dropped untried",
            group.tries.clone(),
        );
        let gauges = [
            ("webhook_pending", "Deliveries to be tried, or tried again, on all nodes", &group.pending),
            ("webhook_oldest_pending_seconds", "Age of the oldest of them", &group.oldest_seconds),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        group
    }

    /// Counts what came of a delivery.
    pub fn tried(&self, tried: Tried) {
        let result = match tried {
            Tried::Delivered => "delivered",
            Tried::Failed => "failed",
            Tried::Dead => "dead",
            Tried::Dropped => "dropped",
        };
        self.tries.get_or_create(&[("result", result)]).inc();
    }

    /// Notes what is pending.
    pub fn pending(&self, count: usize, oldest: Duration) {
        self.pending.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.oldest_seconds.set(i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX));
    }
}
