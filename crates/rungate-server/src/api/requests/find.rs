//! Finds a request by either of its ids.

use rungate_core::code::Code;
use rungate_core::exchange::ExchangeRecord;
use rungate_core::id::{RequestId, WorkspaceId};
use rungate_core::ports::Row;

use crate::api::error::ApiError;
use crate::services::Services;

/// At most this many requests of one `x-request-id` are looked at.
pub const MAX_MATCHES: usize = 1_000;

/// The requests that `id` names, newest first: our id names one; an `x-request-id` may name several.
pub async fn find(
    services: &Services,
    workspace: WorkspaceId,
    id: &str,
    in_scope: impl Fn(&ExchangeRecord) -> bool,
) -> Result<Vec<Row>, ApiError> {
    let log = &*services.log;
    if let Ok(ours) = id.parse()
        && let Some(row) = log.get(workspace, ours).await?
        && in_scope(&row.record)
    {
        return Ok(vec![row]);
    }
    let Ok(theirs) = RequestId::parse(id) else { return Ok(Vec::new()) };
    let mut rows = log.by_request_id(workspace, &theirs, MAX_MATCHES).await?;
    rows.retain(|row| in_scope(&row.record));
    Ok(rows)
}

/// The request that has our id `id` and has ended: nothing that is still on its way to the log can change it.
pub async fn settled(services: &Services, workspace: WorkspaceId, id: &str) -> Result<Option<Row>, ApiError> {
    let Ok(ours) = id.parse() else { return Ok(None) };
    let row = services.log.get(workspace, ours).await?;
    Ok(row.filter(|row| row.record.is_closed()))
}

/// As [`find`], of the whole workspace and with at least one hit: the newest request, and how many there are.
pub async fn require(
    services: &Services,
    workspace: WorkspaceId,
    id: &str,
) -> Result<(Row, usize), ApiError> {
    let rows = find(services, workspace, id, |_| true).await?;
    let matches = rows.len();
    let newest = rows.into_iter().next().ok_or_else(not_found)?;
    Ok((newest, matches))
}

/// 404 in the words that clients of this route wait for.
pub fn not_found() -> ApiError {
    ApiError::new(Code::RequestNotFound, "request not found")
}
