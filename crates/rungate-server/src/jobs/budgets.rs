//! Acts on what budgets say: keys that are to be switched off, thresholds that were passed.

use std::sync::Arc;

use rungate_core::agent::{KeyStatus, Resource as _, VirtualKey};
use rungate_core::budget::{Budget, Notice};
use rungate_core::id::{VirtualKeyId, WorkspaceId};
use rungate_core::ports::{self, CatalogError, StoreError, Write};
use rungate_core::webhook;
use rungate_gateway::budget::Event;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::services::Services;

/// Who switched a key off, on the key.
const DISABLED_BY: &str = "budget";
/// Somebody else may change the key at the same time.
const TRIES: u32 = 5;

/// Runs until `shutdown`.
pub async fn run(services: Arc<Services>, mut events: mpsc::Receiver<Event>, shutdown: CancellationToken) {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = shutdown.cancelled() => return,
        };
        match event {
            None => return,
            Some(Event::Passed(workspace, notice)) => passed(&services, workspace, &notice).await,
            Some(Event::Disable(workspace, key)) => disable(&services, workspace, key).await,
        }
    }
}

/// Leaves an event for webhooks.
async fn passed(services: &Services, workspace: WorkspaceId, notice: &Notice) {
    tracing::info!(
        %workspace,
        budget = %notice.account.budget,
        instance = notice.account.instance.as_deref(),
        percent = notice.percent,
        limit_nano_usd = notice.limit.nanos(),
        spent_nano_usd = notice.spent.nanos(),
        "a threshold of a budget was passed"
    );
    if let Err(error) = leave(services, workspace, notice).await {
        // The next start reports what is passed again, and the event is known by its name.
        tracing::error!(%error, "webhooks are not told of a threshold before the next start");
    }
}

async fn leave(services: &Services, workspace: WorkspaceId, notice: &Notice) -> Result<(), StoreError> {
    let budget: Option<Budget> =
        ports::load(&*services.catalog, workspace, notice.account.budget.uuid()).await?;
    if let Some(budget) = budget {
        let event = webhook::budget_event(&budget, notice, services.clock.now());
        services.outbox.leave(&[event]).await?;
    }
    Ok(())
}

/// Switches a key off. It stays off when the budget has room again: a person switches it on.
async fn disable(services: &Services, workspace: WorkspaceId, id: VirtualKeyId) {
    for _ in 0..TRIES {
        match try_disable(services, workspace, id).await {
            Ok(()) => return,
            Err(CatalogError::VersionConflict) => {}
            Err(error) => {
                tracing::error!(key = %id, %error, "a key whose budget is used up could not be switched off");
                return;
            }
        }
    }
}

async fn try_disable(
    services: &Services,
    workspace: WorkspaceId,
    id: VirtualKeyId,
) -> Result<(), CatalogError> {
    let key: Option<VirtualKey> = ports::load(&*services.catalog, workspace, id.uuid()).await?;
    let Some(mut key) = key.filter(|key| key.status == KeyStatus::Active) else { return Ok(()) };
    key.status = KeyStatus::Disabled;
    key.disabled_by = Some(DISABLED_BY.to_owned());
    services.catalog.commit(vec![Write::update(&key.touched(services.clock.now()))?]).await?;
    tracing::warn!(key = %id, "a key was switched off: its budget is used up");
    if let Err(error) = services.directories.refresh(&*services.catalog).await {
        tracing::warn!(%error, "the key is in force until the catalog can be read again");
    }
    Ok(())
}
