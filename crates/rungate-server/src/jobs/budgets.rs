//! Acts on what budgets say: keys that are to be switched off, thresholds that were passed.

use std::sync::Arc;

use rungate_core::agent::{KeyStatus, Resource as _, VirtualKey};
use rungate_core::id::{VirtualKeyId, WorkspaceId};
use rungate_core::ports::{self, CatalogError, Write};
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
            Some(Event::Passed(workspace, notice)) => tracing::info!(
                %workspace,
                budget = %notice.account.budget,
                instance = notice.account.instance.as_deref(),
                percent = notice.percent,
                limit_nano_usd = notice.limit.nanos(),
                spent_nano_usd = notice.spent.nanos(),
                "a threshold of a budget was passed"
            ),
            Some(Event::Disable(workspace, key)) => disable(&services, workspace, key).await,
        }
    }
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
