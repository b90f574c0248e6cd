//! Delivers what was left for webhooks.

use std::sync::Arc;

use rungate_gateway::webhook::{Courier, Pace, Watch};
use tokio_util::sync::CancellationToken;

use crate::services::Services;

/// Runs until `shutdown`.
pub async fn run(services: Arc<Services>, watch: Arc<dyn Watch>, shutdown: CancellationToken) {
    let courier = Courier {
        catalog: Arc::clone(&services.catalog),
        outbox: Arc::clone(&services.outbox),
        sender: Arc::clone(&services.sender),
        clock: Arc::clone(&services.clock),
        entropy: Arc::clone(&services.entropy),
        watch,
        pace: Pace::USUAL,
    };
    Arc::new(courier).run(shutdown).await;
}
