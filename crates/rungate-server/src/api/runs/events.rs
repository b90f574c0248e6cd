//! `GET /runs/{id}/events`

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::id::{CallerId, TrailId};
use rungate_core::page::Order;
use rungate_core::time::Timestamp;
use rungate_core::trail::{Contents, EventTrust, EventType, TrailFilter, TrailKind, TrailRow, What};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::find;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::{Name, Params};
use crate::api::requests::fresh::caught_up;
use crate::api::requests::query::{Query, list_name, named};
use crate::services::Services;

/// The filters of events: the values of a repeated one by OR.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes parameters that `events` reads, and names those that are accepted")]
pub struct EventFilters {
    /// `user`, `model_input`, `model_output`, `tool`, `environment`, `memory`, `system` or `error`.
    #[param(rename = "type")]
    r#type: Option<Vec<String>>,
}

/// A step that an agent reported.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Event)]
pub struct EventView {
    /// The id that the agent knows it by.
    #[schema(value_type = Uuid)]
    pub id: TrailId,
    /// What kind of step.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: EventType,
    /// The type as it was reported, where it is none of ours.
    pub original_type: Option<String>,
    /// When it happened, as the agent says.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub timestamp: Option<Timestamp>,
    /// When it arrived; events stand in this order.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// A JSON object, as text; null when it is not kept.
    pub content: Option<String>,
    /// The JSON Schema that came with it, as text.
    pub schema: Option<String>,
    /// Whether the content fits the schema; null without one.
    pub schema_valid: Option<bool>,
    /// `reported`, `confirmed` or `gateway_observed`.
    #[schema(value_type = String)]
    pub trust: EventTrust,
    /// What was tolerated.
    pub warnings: Vec<String>,
    /// Searchable properties.
    pub properties: BTreeMap<String, String>,
    /// The step it belongs to.
    #[schema(value_type = Option<String>)]
    pub step_id: Option<CallerId>,
    /// The step above.
    #[schema(value_type = Option<String>)]
    pub parent_step_id: Option<CallerId>,
    /// The tool call it belongs to.
    #[schema(value_type = Option<String>)]
    pub tool_call_id: Option<CallerId>,
    /// The check that came before it.
    #[schema(value_type = Option<Uuid>)]
    pub action_check_id: Option<TrailId>,
    /// It arrived after the run had been ended.
    pub after_end: bool,
}

impl EventView {
    fn of(row: TrailRow) -> Option<Self> {
        let TrailRow { entry, content, .. } = row;
        let What::Event(event) = entry.what else { return None };
        Some(Self {
            id: entry.id,
            kind: event.event_type,
            original_type: event.original_type,
            timestamp: event.reported_at,
            received_at: entry.at,
            content: content.map(|content| String::from_utf8_lossy(&content).into_owned()),
            schema: event.schema,
            schema_valid: event.schema_valid,
            trust: event.trust,
            warnings: event.warnings,
            properties: event.properties,
            step_id: entry.step_id,
            parent_step_id: entry.parent_step_id,
            tool_call_id: entry.tool_call_id,
            action_check_id: event.action_check_id,
            after_end: entry.after_end,
        })
    }
}

/// Read the events of a run in the order in which they arrived.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", tag = "Runs",
    params(("id" = String, Path, description = "Our id, or the caller's run id, percent-encoded"), EventFilters,
        PagingParams),
    responses((status = 200, body = Envelope<List<EventView>>)))]
pub async fn events(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(id): Name,
    params: Params,
) -> Result<Response, ApiError> {
    let mut query = Query::open::<EventFilters>(&params);
    let event_types = query.all("type", named);
    query.finish()?;
    caught_up(&services).await;
    let run = find::require(&services, caller.workspace, &id).await?;
    let name = list_name(&services, &params, &format!("events of {}", run.id));
    let paging = Paging::read(&params, name)?.ordered(Order::Asc);
    paging.check_uuid()?;
    let filter = TrailFilter {
        run_id: Some(run.run_id),
        kinds: vec![TrailKind::Event],
        event_types,
        ..TrailFilter::default()
    };
    let (log, filter, tenant) = (&*services.log, &filter, caller.workspace);
    let fetch = |request| async move { log.trail(tenant, filter, Contents::Read, &request).await };
    let page = paging.fetch(fetch).await?;
    let views = page.items.into_iter().filter_map(EventView::of).collect();
    Ok(ok(paging.list(rungate_core::page::Page { items: views, next: page.next }, None)))
}
