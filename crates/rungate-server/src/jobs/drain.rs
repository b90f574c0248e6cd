//! Recovers what an earlier process left in the journal, then moves what this one writes into the log.

use std::sync::Arc;
use std::time::Duration;

use rungate_gateway::journal::{drain, recover};
use rungate_gateway::limit::{Limiter, Recounting};
use rungate_gateway::recount::recount;
use tokio_util::sync::CancellationToken;

use crate::http::health::Health;
use crate::services::Services;

/// Between tries of a recovery that fails: the log is away.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until `shutdown`, and makes the server ready when recovery is done and rate limits know what was admitted before.
pub async fn run(
    services: Arc<Services>,
    health: Arc<Health>,
    limiter: Limiter,
    recounting: Recounting,
    shutdown: CancellationToken,
) {
    while let Err(error) = recover(&services).await {
        tracing::error!(%error, "the journal could not be brought into the log; trying again");
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = shutdown.cancelled() => return,
        }
    }
    recount_limits(&services, &limiter).await;
    drop(recounting);
    health.ready();
    drain::run(Arc::clone(&services.journal), Arc::clone(&services.log), shutdown).await;
}

async fn recount_limits(services: &Services, limiter: &Limiter) {
    let (since_start, now) = (services.clock.monotonic(), services.clock.now());
    match recount(limiter, &services.directories.load(), &*services.log, since_start, now).await {
        Ok(0) => {}
        Ok(requests) => {
            tracing::info!(requests, "counted for rate limits what was admitted before the start");
        }
        Err(error) => tracing::error!(%error, "rate limits do not know what was admitted before the start"),
    }
}

async fn recover(services: &Services) -> Result<(), rungate_core::ports::StoreError> {
    let recovered = recover::run(&services.journal, &*services.log, &*services.clock).await?;
    if recovered.replayed > 0 || recovered.interrupted > 0 {
        let (replayed, interrupted) = (recovered.replayed, recovered.interrupted);
        tracing::info!(replayed, interrupted, "brought in what an earlier process left in the journal");
    }
    Ok(())
}
