//! `GET /runs/{id}/timeline`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::exchange::{ExchangeRecord, Run};
use rungate_core::id::CallerId;
use rungate_core::page::{Order, Page, PageRequest, Position};
use rungate_core::ports::{Log, StoreError};
use rungate_core::time::Timestamp;
use rungate_core::trail::{Contents, EventTrust, TrailEntry, TrailFilter, What};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::find;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::{Name, Params};
use crate::api::requests::fresh::caught_up;
use crate::api::requests::query::{Query, list_name};
use crate::api::requests::view::DecisionView;
use crate::services::Services;

/// What an entry of a timeline is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A request that went through the gateway.
    Request,
    /// A step that the agent reported.
    Event,
    /// A verdict on an action, or what became of one that was held.
    Check,
    /// The run was registered or ended.
    Run,
}

/// One entry of a timeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// When it started or arrived.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What it is about.
    pub kind: EntryKind,
    /// Our id of the request; the agent's of an event or check.
    pub id: Uuid,
    /// The step it belongs to.
    #[schema(value_type = Option<String>)]
    pub step_id: Option<CallerId>,
    /// The step above.
    #[schema(value_type = Option<String>)]
    pub parent_step_id: Option<CallerId>,
    /// The tool call it belongs to.
    #[schema(value_type = Option<String>)]
    pub tool_call_id: Option<CallerId>,
    /// For people: the kind of the request and its model, the type of the event, the action.
    pub title: String,
    /// The outcome of the request, the decision of the check, the status of the run; null for an event.
    pub status: Option<String>,
    /// How long it took; null while it is open, and for what has no length.
    pub duration_ms: Option<u64>,
    /// What it cost; null when that is unknown, and for what has no cost.
    pub cost_nano_usd: Option<String>,
    /// How far it can be believed: `gateway_observed`, `reported` or `confirmed`.
    #[schema(value_type = String)]
    pub trust: EventTrust,
    /// The first characters of what an event says.
    pub preview: Option<String>,
    /// What policies said of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<DecisionView>,
    #[serde(skip)]
    micros: i64,
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
            micros: record.created_at.micros(),
            kind: EntryKind::Request,
            id: record.id.uuid(),
            step_id: record.attribution.step.step_id,
            parent_step_id: record.attribution.step.parent_step_id,
            tool_call_id: record.attribution.step.tool_call_id,
            title,
            status: Some(record.outcome.as_str().to_owned()),
            duration_ms: record.latency_ms,
            cost_nano_usd: record.cost.map(|cost| cost.nanos().to_string()),
            trust: EventTrust::GatewayObserved,
            preview: None,
            decisions: record.decisions.into_iter().map(DecisionView::from).collect(),
        }
    }
}

impl From<TrailEntry> for TimelineEntry {
    fn from(entry: TrailEntry) -> Self {
        let detail = entry.detail().to_owned();
        let (kind, title, status, trust, preview) = match entry.what {
            What::Registered(registration) => {
                let title = registration.name.unwrap_or_else(|| "registered".to_owned());
                (EntryKind::Run, title, Some("registered".to_owned()), EventTrust::Reported, None)
            }
            What::Event(event) => {
                let title = event.original_type.unwrap_or(detail);
                (EntryKind::Event, title, None, event.trust, Some(event.preview))
            }
            What::Check(check) => {
                let preview = Some(check.reasoning);
                (EntryKind::Check, check.action, Some(detail), EventTrust::GatewayObserved, preview)
            }
            What::Resolved(resolution) => {
                let title = format!("resolved by {}", resolution.by);
                (EntryKind::Check, title, Some(detail), EventTrust::GatewayObserved, resolution.note)
            }
            What::Ended(end) => {
                (EntryKind::Run, "ended".to_owned(), Some(detail), EventTrust::Reported, end.reason)
            }
        };
        Self {
            at: entry.at,
            micros: entry.at.micros(),
            kind,
            id: entry.id.uuid(),
            step_id: entry.step_id,
            parent_step_id: entry.parent_step_id,
            tool_call_id: entry.tool_call_id,
            title,
            status,
            duration_ms: None,
            cost_nano_usd: None,
            trust,
            preview,
            decisions: Vec::new(),
        }
    }
}

/// A page of requests and trail entries on one line of time.
async fn merged(log: &dyn Log, run: &Run, request: PageRequest) -> Result<Page<TimelineEntry>, StoreError> {
    let requests = find::requests_of(run);
    let told = TrailFilter { run_id: Some(run.run_id.clone()), ..TrailFilter::default() };
    let (requests, told) = tokio::try_join!(
        log.find(run.workspace_id, &requests, &request),
        log.trail(run.workspace_id, &told, Contents::LeftOut, &request)
    )?;
    let is_more = requests.next.is_some() || told.next.is_some();
    let requests = requests.items.into_iter().map(|row| TimelineEntry::from(row.record));
    let told = told.items.into_iter().map(|row| TimelineEntry::from(row.entry));
    let mut items: Vec<TimelineEntry> = requests.chain(told).collect();
    // As both lists are ordered; ids break ties.
    items.sort_by_key(|entry| (entry.micros, entry.id));
    let is_more = is_more || items.len() > request.limit;
    items.truncate(request.limit);
    let position = |entry: &TimelineEntry| Position { at: entry.micros, id: entry.id.to_string() };
    let next = items.last().filter(|_| is_more).map(position);
    Ok(Page { items, next })
}

/// Read what happened in a run, oldest first: its requests, and what was reported and checked.
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
    let (log, run) = (&*services.log, &run);
    let page = paging.fetch(|request| async move { merged(log, run, request).await }).await?;
    Ok(ok(paging.list(page, None)))
}
