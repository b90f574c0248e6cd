//! Drops what is older than it may get: days whole, and before that what has a shorter term out of them.

mod believed;
mod terms;

use std::sync::Arc;
use std::time::Duration;

use rungate_core::exchange::ROLLUP_HOUR_DAYS;
use rungate_core::policy::PolicySet;
use rungate_core::ports::{Dropped, Expired, Expiry, StoreError};
use rungate_gateway::webhook;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::api::idempotency;
use crate::services::Services;

use believed::BelievedClock;
pub use terms::Term;
use terms::{Terms, first_days};

const EVERY: Duration = Duration::from_hours(1);

/// Runs until `shutdown`: at once, then every hour.
pub async fn run(services: Arc<Services>, installation: Term, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut clock = BelievedClock::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.cancelled() => return,
        }
        match drop_old(&services, installation, &mut clock).await {
            Ok(Dropped { row_days: 0, body_days: 0 }) => {}
            Ok(Dropped { row_days, body_days }) => {
                tracing::info!(row_days, body_days, "dropped days that were older than they may get");
            }
            Err(error) => tracing::warn!(%error, "old days were not dropped; trying again in an hour"),
        }
        if let Err(error) = idempotency::sweep(&services).await {
            tracing::warn!(?error, "old idempotency keys were not forgotten; trying again in an hour");
        }
    }
}

/// Drops what is too old by a clock that is believed.
async fn drop_old(
    services: &Services,
    installation: Term,
    clock: &mut BelievedClock,
) -> Result<Dropped, StoreError> {
    let row_days = services.log.row_days().await?;
    let Some(today) = clock.today(&*services.clock, &row_days) else { return Ok(Dropped::default()) };
    let directory = services.directories.load();
    let terms: Vec<Terms> = directory
        .workspaces()
        .map(|entry| {
            let policies = entry.policies.as_ref().map(PolicySet::loggings);
            Terms::new(installation, entry.workspace.id(), &entry.workspace.settings, policies)
        })
        .collect();
    let (rows, bodies) = first_days(installation, today, &terms);
    if let Err(error) = webhook::sweep(&*services.catalog, services.clock.now()).await {
        tracing::warn!(%error, "old deliveries of webhooks were not removed; trying again in an hour");
    }
    let dropped = services.log.retain(rows, bodies, today.plus(-ROLLUP_HOUR_DAYS)).await?;
    for day in row_days.into_iter().filter(|day| *day >= rows) {
        let due: Vec<Expiry> = terms.iter().flat_map(|terms| terms.due(day, today)).collect();
        if due.is_empty() {
            continue;
        }
        let Expired { rows, bodies } = services.log.expire(day, &due).await?;
        if rows + bodies > 0 {
            tracing::info!(%day, rows, bodies, "took out of a day what is kept no longer");
        }
    }
    Ok(dropped)
}
