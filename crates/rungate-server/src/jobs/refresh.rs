//! Takes in what other nodes, or commands beside this process, change in the catalog.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::http::health::Health;
use crate::services::Services;

/// A change must be in force everywhere within a second.
const EVERY: Duration = Duration::from_millis(500);

/// Runs until `shutdown`.
pub async fn run(services: Arc<Services>, health: Arc<Health>, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = services.catalog.changed() => {}
            () = shutdown.cancelled() => return,
        }
        let refreshed = services.directories.refresh(&*services.catalog).await;
        match &refreshed {
            Ok(_) if failing => tracing::info!("the catalog can be read again"),
            Err(error) if !failing => {
                tracing::warn!(%error, "the catalog cannot be read; what was read before stays in force");
            }
            Ok(_) | Err(_) => {}
        }
        failing = refreshed.is_err();
        health.catalog_reached(!failing);
    }
}
