//! Stored responses go back to the provider key that made them, and only for those who made them.

use std::time::Duration;

use rungate_core::code::Code;
use rungate_core::operation::Operation;
use rungate_core::ports::Log;

use crate::directory::KeyEntry;
use crate::journal::Journal;
use crate::refusal::Refusal;
use crate::routing::Candidate;

/// A response that was made a moment ago is waited for this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to a stored response. Another workspace's and another key's are as unknown as one that never was.
pub async fn plan(
    log: &dyn Log,
    journal: &Journal,
    key: &KeyEntry,
    operation: Operation,
    id: &str,
) -> Result<Candidate, Refusal> {
    let unknown = || Refusal::new(Code::NotFound, "No stored response with this id.").param("response_id");
    journal.wait_applied(journal.last(), PATIENCE).await;
    let found = log.by_response_id(key.workspace.workspace.id(), id).await.map_err(|error| {
        tracing::warn!(%error, "stored response cannot be looked up");
        Refusal::new(Code::Unavailable, "The log is unavailable; try again in a moment.")
    })?;
    let record = found.ok_or_else(unknown)?;
    let is_own = record.virtual_key_id == key.key.id()
        || key.agent.as_ref().is_some_and(|agent| record.agent.id == Some(agent.id()));
    if !is_own {
        return Err(unknown());
    }
    let access = record.provider_key_id.and_then(|id| key.workspace.provider_key(id)).ok_or_else(|| {
        Refusal::new(Code::ProviderKeyMissing, "The provider key that made this response is gone.")
    })?;
    let serving = access.provider.serves(operation).ok_or_else(unknown)?;
    let model = record.attempts.last().and_then(|attempt| attempt.model.clone());
    Ok(Candidate { access: access.clone(), model, serving })
}
