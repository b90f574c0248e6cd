//! What answers requests, made of the booted parts: the data plane and the control plane.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use rungate_gateway::arrival::Arrival;
use rungate_gateway::body::Body;
use rungate_gateway::exchange::Keeper;
use rungate_gateway::limit::Limiter;
use rungate_gateway::memory::MemoryPool;
use rungate_gateway::observe::Observer;
use rungate_gateway::pipeline::Pipeline;
use rungate_gateway::registrar::Registrar;
use rungate_gateway::route::Route;
use rungate_gateway::runs::Runs;
use rungate_gateway::stage::dispatch::Retries;
use rungate_gateway::upstream::Timeouts;

use crate::api;
use crate::config::{Limits, Upstream};
use crate::http::edge::DataPlane;
use crate::services::Services;
use crate::v1;

/// Memory for the counts of rate limits: some hundred thousand of them.
const LIMITER_BYTES: usize = 64 << 20;

/// What answers requests beyond the edge itself.
pub struct Planes<D> {
    /// The data plane.
    pub data: D,
    /// The control plane.
    pub control: Router,
    /// The API document.
    pub openapi: Bytes,
}

/// What the data plane takes from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct PipelineSettings {
    retries: Retries,
    max_stored_body_bytes: usize,
}

impl PipelineSettings {
    /// From the configuration, which keeps the numbers in bounds.
    pub fn of(upstream: &Upstream, limits: &Limits) -> Self {
        Self {
            retries: Retries {
                max_attempts: u32::try_from(upstream.retries.get()).unwrap_or(u32::MAX).saturating_add(1),
                pause: Duration::from_millis(upstream.retry_pause_ms.get()),
                max_pause: Duration::from_millis(upstream.max_retry_pause_ms.get()),
            },
            max_stored_body_bytes: usize::try_from(limits.stored_body_bytes.bytes()).unwrap_or(usize::MAX),
        }
    }
}

/// How long providers may take, from the configuration.
pub fn timeouts(upstream: &Upstream) -> Timeouts {
    Timeouts {
        connect: Duration::from_millis(upstream.connect_timeout_ms.get()),
        first_byte: Duration::from_millis(upstream.first_byte_timeout_ms.get()),
        idle: Duration::from_millis(upstream.idle_timeout_ms.get()),
        total: Duration::from_millis(upstream.total_timeout_ms.get()),
    }
}

/// The planes of a server.
pub fn assemble(
    services: &Arc<Services>,
    settings: PipelineSettings,
    memory: MemoryPool,
    observer: Arc<dyn Observer>,
    registrar: Registrar,
) -> Planes<Pipeline> {
    let keeper = Keeper {
        journal: Arc::clone(&services.journal),
        clock: Arc::clone(&services.clock),
        prices: Arc::clone(&services.prices),
        ledger: Arc::clone(&services.ledger),
        observer,
        stopping: AtomicBool::new(false),
    };
    let data = Pipeline {
        directories: Arc::clone(&services.directories),
        hasher: services.hasher.clone(),
        keeper: Arc::new(keeper),
        log: Arc::clone(&services.log),
        client: services.client.clone(),
        memory,
        limiter: Limiter::new(LIMITER_BYTES),
        cache: Arc::clone(&services.cache),
        runs: Runs::new(Arc::clone(&services.log), Arc::clone(&services.journal)),
        registrar: registrar.clone(),
        health: rungate_gateway::health::Health::default(),
        retries: settings.retries,
        max_stored_body_bytes: settings.max_stored_body_bytes,
    };
    Planes {
        data,
        control: api::router(Arc::clone(services)).merge(v1::router(Arc::clone(services), registrar)),
        openapi: Bytes::from(api::openapi::document().to_string()),
    }
}

impl DataPlane for Pipeline {
    async fn handle(&self, arrival: Arrival, route: Route, request: Request<Incoming>) -> Response<Body> {
        Self::handle(self, arrival, route, request).await
    }

    fn cut(&self) {
        self.stop();
    }
}
