//! A server's life: jobs beside the edge, and all of it ended in order.

use std::sync::Arc;

use rungate_gateway::registrar::registrar;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::boot::Booted;
use crate::http::anonymous::AnonymousRefusals;
use crate::http::edge::{Edge, with_fallbacks};
use crate::http::listener;
use crate::http::operations::Operations;
use crate::jobs::{budgets, drain, refresh, retention, webhooks};
use crate::planes;

/// Serves until `stop`. Then, in this order: no new connections; requests in flight get their answers, as far as the
/// grace allows; the journal is drained; the store is closed.
pub async fn run(booted: Booted, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
    let Booted {
        services,
        memory,
        telemetry,
        health,
        edge: settings,
        pipeline,
        retention: defaults,
        budget_events,
        stores,
        ..
    } = booted;
    let (registrar, registrations) = registrar();
    let planes = planes::assemble(&services, pipeline, memory, telemetry.clone(), registrar);
    let limiter = planes.data.limiter.clone();
    let recounting = limiter.recounting();
    let edge = Arc::new(Edge {
        data_plane: planes.data,
        control_plane: with_fallbacks(planes.control),
        operations: Operations {
            health: Arc::clone(&health),
            instruments: telemetry.clone(),
            metrics: settings.metrics,
            openapi: planes.openapi,
        },
        proxies: settings.proxies,
        witness: telemetry.clone(),
        anonymous: AnonymousRefusals::default(),
        clock: Arc::clone(&services.clock),
        entropy: Arc::clone(&services.entropy),
    });

    let jobs = TaskTracker::new();
    // Draining goes on until the last request has written its end.
    let served = CancellationToken::new();
    let (store, ready) = (Arc::clone(&services), Arc::clone(&health));
    jobs.spawn(drain::run(store, ready, limiter, recounting, served.clone()));
    jobs.spawn(refresh::run(Arc::clone(&services), Arc::clone(&health), stop.clone()));
    jobs.spawn(budgets::run(Arc::clone(&services), budget_events, stop.clone()));
    jobs.spawn(retention::run(Arc::clone(&services), defaults, stop.clone()));
    jobs.spawn(webhooks::run(Arc::clone(&services), telemetry, stop.clone()));
    jobs.spawn(registrations.run(
        Arc::clone(&services.catalog),
        Arc::clone(&services.directories),
        Arc::clone(&services.clock),
        Arc::clone(&services.entropy),
        stop.clone(),
    ));
    jobs.close();

    let stopping = async {
        stop.cancelled().await;
        health.stopping();
        tracing::info!("stopping");
    };
    tokio::join!(listener::serve(listener, edge, settings.limits, settings.tls, stop.clone()), stopping);
    served.cancel();
    jobs.wait().await;
    let journal = Arc::clone(&services.journal);
    drop(services);
    if tokio::task::spawn_blocking(move || journal.close()).await.is_err() {
        tracing::error!("the journal was not closed in order");
    }
    stores.close().await;
    tracing::info!("stopped");
    Ok(())
}
