//! `GET /runs/{id}/timeline`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::exchange::{ExchangeRecord, Outcome};
use rungate_core::id::{CallerId, ExchangeId};
use rungate_core::page::Order;
use rungate_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::find;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::{Name, Params};
use crate::api::requests::fresh::caught_up;
use crate::api::requests::query::{Query, list_name};
use crate::services::Services;

/// What an entry of a timeline is about.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A request that went through the gateway.
    Request,
}

/// How far an entry can be believed.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryTrust {
    /// The gateway saw it itself.
    GatewayObserved,
}

/// One entry of a timeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// When it started.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What it is about.
    pub kind: EntryKind,
    /// Our id of the request.
    #[schema(value_type = Uuid)]
    pub id: ExchangeId,
    /// The step it belongs to.
    #[schema(value_type = Option<String>)]
    pub step_id: Option<CallerId>,
    /// The step above.
    #[schema(value_type = Option<String>)]
    pub parent_step_id: Option<CallerId>,
    /// For people: the kind of the request and its model.
    pub title: String,
    /// The outcome of the request.
    #[schema(value_type = String)]
    pub status: Outcome,
    /// How long it took; null while it is open.
    pub duration_ms: Option<u64>,
    /// What it cost; null when that is unknown.
    pub cost_nano_usd: Option<String>,
    /// How far it can be believed.
    pub trust: EntryTrust,
}

impl From<ExchangeRecord> for TimelineEntry {
    fn from(record: ExchangeRecord) -> Self {
        let model = record.model.or(record.requested_model);
        let title = match model {
            Some(model) => format!("{} {model}", record.kind.as_str()),
            None => format!("{} {}", record.method, record.path),
        };
        Self {
            at: record.created_at,
            kind: EntryKind::Request,
            id: record.id,
            step_id: record.attribution.step.step_id,
            parent_step_id: record.attribution.step.parent_step_id,
            title,
            status: record.outcome,
            duration_ms: record.latency_ms,
            cost_nano_usd: record.cost.map(|cost| cost.nanos().to_string()),
            trust: EntryTrust::GatewayObserved,
        }
    }
}

/// Read what happened in a run, oldest first.
#[utoipa::path(get, path = "/api/v1/runs/{id}/timeline", tag = "Runs",
    params(("id" = String, Path, description = "Our id, or the caller's run id, percent-encoded"), PagingParams),
    responses((status = 200, body = Envelope<List<TimelineEntry>>)))]
pub async fn timeline(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(id): Name,
    params: Params,
) -> Result<Response, ApiError> {
    Query::open::<PagingParams>(&params).finish()?;
    caught_up(&services).await;
    let run = find::require(&services, caller.workspace, &id).await?;
    let name = list_name(&services, &params, &format!("timeline of {}", run.id));
    let paging = Paging::read(&params, name)?.ordered(Order::Asc);
    paging.check_uuid()?;
    let filter = find::requests_of(&run);
    let (log, filter, tenant) = (&*services.log, &filter, caller.workspace);
    let page = paging.fetch(|request| async move { log.find(tenant, filter, &request).await }).await?;
    Ok(ok(paging.list(page.map(|row| TimelineEntry::from(row.record)), None)))
}
