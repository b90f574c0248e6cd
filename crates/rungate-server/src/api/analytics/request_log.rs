//! `GET /v1/analytics/request-logs/{id}`: one request, for a client that asks right after its answer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use rungate_core::exchange::{ExchangeRecord, Outcome};
use rungate_core::ports::Row;
use rungate_gateway::directory::KeyEntry;
use tokio::time::{Instant, sleep};

use super::view::RequestLog;
use crate::api::auth::Principal;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Name;
use crate::api::requests::find;
use crate::api::requests::fresh::caught_up;
use crate::services::Services;

/// How long an open request is waited for.
const PATIENCE_PENDING: Duration = Duration::from_secs(2);
/// How long a request that nobody knows is waited for.
const PATIENCE_UNKNOWN: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

/// Read a request by its `x-request-id` or our id. A virtual key sees its own requests and those of its agent or member.
/// An open request is waited for up to two seconds, an unknown one up to one.
#[utoipa::path(get, path = "/v1/analytics/request-logs/{id}", tag = "Analytics",
    params(("id" = String, Path, description = "An x-request-id, or our id")),
    responses((status = 200, body = Envelope<RequestLog>)))]
pub async fn request_log(
    State(services): State<Arc<Services>>,
    principal: Principal,
    Name(id): Name,
) -> Result<Response, ApiError> {
    let rows = settled(&services, &principal, &id).await?;
    Ok(ok(RequestLog::of(rows)?.ok_or_else(find::not_found)?))
}

/// The rows of `id`, once the newest has its outcome or the patience for it has run out.
async fn settled(services: &Services, principal: &Principal, id: &str) -> Result<Vec<Row>, ApiError> {
    caught_up(services).await;
    let started = Instant::now();
    loop {
        let in_scope = |record: &ExchangeRecord| is_visible(principal, record);
        let rows = find::find(services, principal.workspace(), id, in_scope).await?;
        let patience = match rows.first().map(|row| row.record.outcome) {
            None => PATIENCE_UNKNOWN,
            Some(Outcome::Pending) => PATIENCE_PENDING,
            Some(_) => return Ok(rows),
        };
        if started.elapsed() >= patience {
            return Ok(rows);
        }
        sleep(PAUSE).await;
    }
}

fn is_visible(principal: &Principal, record: &ExchangeRecord) -> bool {
    match principal {
        Principal::Pat(_) => true,
        Principal::VirtualKey(entry) => is_own(entry, record),
    }
}

/// Whether a request was made with the key, or by the agent or member that it stands for.
fn is_own(entry: &KeyEntry, record: &ExchangeRecord) -> bool {
    let same_agent = entry.agent.as_ref().is_some_and(|agent| record.agent.id == Some(agent.id()));
    let same_member = entry.member_id().is_some_and(|member| record.member_id == Some(member));
    record.virtual_key_id == entry.key.id() || same_agent || same_member
}
