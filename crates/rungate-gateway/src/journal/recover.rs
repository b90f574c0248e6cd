//! What is done at start, before the first request: nothing an earlier process left open stays open.

use std::sync::Arc;

use rungate_core::code::Code;
use rungate_core::exchange::{CostStatus, Entry, ExchangeRecord, Outcome};
use rungate_core::ports::{Clock, Log, StoreError};
use rungate_core::time::Timestamp;
use rungate_core::usage::UsageSource;

use super::{Journal, drain};

/// So many interrupted exchanges are closed before the log takes them over.
const GROUP: usize = 256;

/// What recovery did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Entries that the earlier process had not brought into the log.
    pub replayed: u64,
    /// Exchanges that were open when it ended.
    pub interrupted: u64,
}

/// Brings everything in the journal into the log, and closes every exchange that is still open in it as interrupted.
///
/// Killed at any point and run again it comes to the same: the closings are entries of the journal like any other,
/// and an exchange that has one is no longer open.
pub async fn run(journal: &Arc<Journal>, log: &dyn Log, clock: &dyn Clock) -> Result<Recovered, StoreError> {
    let applied = log.applied().await?;
    journal.ensure_after(applied);
    journal.release(applied);
    let replayed = drain::everything(journal, log).await?;
    let pending = log.pending().await?;
    let interrupted = pending.len() as u64;
    let mut pending = pending.into_iter().peekable();
    while pending.peek().is_some() {
        for record in pending.by_ref().take(GROUP) {
            journal.adopt(record.id);
            let closing = interrupted_closing(record, clock.now());
            journal.append_now(closing).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        }
        drain::everything(journal, log).await?;
    }
    Ok(Recovered { replayed, interrupted })
}

/// The end of an exchange that nobody saw: what was spent is unknown.
fn interrupted_closing(mut record: ExchangeRecord, now: Timestamp) -> Entry {
    record.outcome = Outcome::Interrupted;
    record.error_code = Some(Code::Interrupted);
    record.completed_at = Some(now);
    record.status = None;
    record.cost = None;
    record.cost_status = CostStatus::Unknown;
    record.usage_source = UsageSource::Unknown;
    Entry::Closed { record: Arc::new(record), request: None, response: None }
}
