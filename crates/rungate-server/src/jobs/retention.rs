//! Drops what is older than it may get.
//!
//! A day's partition holds the rows of all workspaces and is dropped whole, so it lives as long as the longest-keeping
//! of them wants: each wants its own number of days, or the installation's where it has none.

use std::sync::Arc;
use std::time::Duration;

use rungate_core::agent::WorkspaceSettings;
use rungate_core::exchange::ROLLUP_HOUR_DAYS;
use rungate_core::ports::{Dropped, StoreError};
use rungate_core::time::Day;
use rungate_gateway::webhook;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::api::idempotency;
use crate::config::Retention;
use crate::jobs::believed::BelievedClock;
use crate::services::Services;

const EVERY: Duration = Duration::from_hours(1);

/// The installation's own numbers of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionDefaults {
    /// For rows.
    pub row_days: u32,
    /// For bodies.
    pub body_days: u32,
}

impl RetentionDefaults {
    /// From the configuration, which keeps the numbers in bounds.
    pub fn of(config: &Retention) -> Self {
        let days = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self { row_days: days(config.row_days.get()), body_days: days(config.body_days.get()) }
    }

    /// The first days that are kept, of rows and of bodies.
    fn first_days<'a>(
        self,
        today: Day,
        workspaces: impl Iterator<Item = &'a WorkspaceSettings>,
    ) -> (Day, Day) {
        let wanted = workspaces.map(|settings| Self {
            row_days: settings.retention_days.unwrap_or(self.row_days),
            body_days: settings.body_retention_days.unwrap_or(self.body_days),
        });
        let longer = |a: Self, b: Self| Self {
            row_days: a.row_days.max(b.row_days),
            body_days: a.body_days.max(b.body_days),
        };
        let longest = wanted.reduce(longer).unwrap_or(self);
        let first = |days: u32| today.plus(-i32::try_from(days).unwrap_or(i32::MAX));
        let rows = first(longest.row_days);
        (rows, rows.max(first(longest.body_days)))
    }
}

/// Runs until `shutdown`: at once, then every hour.
pub async fn run(services: Arc<Services>, defaults: RetentionDefaults, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut clock = BelievedClock::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.cancelled() => return,
        }
        match drop_old(&services, defaults, &mut clock).await {
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
    defaults: RetentionDefaults,
    clock: &mut BelievedClock,
) -> Result<Dropped, StoreError> {
    let row_days = services.log.row_days().await?;
    let Some(today) = clock.today(&*services.clock, &row_days) else { return Ok(Dropped::default()) };
    let directory = services.directories.load();
    let settings = directory.workspaces().map(|entry| &entry.workspace.settings);
    let (rows, bodies) = defaults.first_days(today, settings);
    if let Err(error) = webhook::sweep(&*services.catalog, services.clock.now()).await {
        tracing::warn!(%error, "old deliveries of webhooks were not removed; trying again in an hour");
    }
    services.log.retain(rows, bodies, today.plus(-ROLLUP_HOUR_DAYS)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_days(settings: &[(Option<u32>, Option<u32>)]) -> (String, String) {
        let settings: Vec<_> = settings
            .iter()
            .map(|(retention_days, body_retention_days)| WorkspaceSettings {
                retention_days: *retention_days,
                body_retention_days: *body_retention_days,
                ..WorkspaceSettings::default()
            })
            .collect();
        let defaults = RetentionDefaults { row_days: 90, body_days: 30 };
        let (rows, bodies) = defaults.first_days(Day::parse("2026-11-23").unwrap(), settings.iter());
        (rows.to_string(), bodies.to_string())
    }

    #[test]
    fn the_longest_keeping_workspace_decides() {
        let installation = ("2026-08-25".to_owned(), "2026-10-24".to_owned());
        assert_eq!(first_days(&[]), installation);
        assert_eq!(first_days(&[(Some(7), Some(1)), (None, None)]), installation);
        assert_eq!(first_days(&[(Some(7), None), (Some(365), None)]).0, "2025-11-23");
        assert_eq!(first_days(&[(Some(7), Some(1))]), ("2026-11-16".to_owned(), "2026-11-22".to_owned()));
    }

    #[test]
    fn bodies_do_not_outlive_their_rows() {
        let (rows, bodies) = first_days(&[(None, Some(4_000))]);
        assert_eq!(rows, bodies);
        assert_eq!(rows, "2026-08-25");
    }
}
