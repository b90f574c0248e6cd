//! Metrics, one group per file and one line in [`Telemetry::new`]. Labels come from closed lists only, so that no client
//! can make a new series.

mod cache;
mod exchange;
mod http;
mod process;
mod storage;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use prometheus_client::registry::Registry;
use rungate_core::code::Code;
use rungate_core::exchange::ExchangeRecord;
use rungate_gateway::cache::Cache;
use rungate_gateway::journal::Journal;
use rungate_gateway::memory::MemoryPool;
use rungate_gateway::observe::Observer;
use rungate_gateway::webhook::{Tried, Watch};

use crate::http::edge::{RouteFamily, Witness};
use crate::http::health::Components;
use crate::http::operations::Instruments;

/// Labels: names with values from closed lists.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// All metrics of the process.
pub struct Telemetry {
    registry: Registry,
    http: http::Group,
    exchange: exchange::Group,
    cache: cache::Group,
    storage: storage::Group,
    process: process::Group,
    webhook: webhook::Group,
}

impl Telemetry {
    /// Metrics at zero, with what they look at when they are read.
    pub fn new(journal: Arc<Journal>, memory: MemoryPool, cache: Arc<Cache>) -> Self {
        let mut registry = Registry::with_prefix("rungate");
        Self {
            http: http::Group::new(&mut registry),
            exchange: exchange::Group::new(&mut registry),
            cache: cache::Group::new(&mut registry, cache),
            storage: storage::Group::new(&mut registry, journal, memory),
            process: process::Group::new(&mut registry),
            webhook: webhook::Group::new(&mut registry),
            registry,
        }
    }
}

impl Witness for Telemetry {
    fn answered(&self, family: RouteFamily, status: StatusCode, code: Option<Code>, took: Duration) {
        self.http.answered(family, status, code, took);
    }
}

impl Observer for Telemetry {
    fn exchange_closed(&self, record: &ExchangeRecord) {
        self.exchange.closed(record);
        self.cache.closed(record);
    }
}

impl Watch for Telemetry {
    fn tried(&self, tried: Tried) {
        self.webhook.tried(tried);
    }

    fn pending(&self, count: usize, oldest: Duration) {
        self.webhook.pending(count, oldest);
    }
}

impl Instruments for Telemetry {
    fn components(&self) -> Components {
        self.storage.components()
    }

    fn metrics(&self) -> String {
        self.storage.refresh();
        self.cache.refresh();
        self.process.refresh();
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
