//! `GET /runs` and `GET /agents/{id}/runs`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::exchange::RunFilter;
use rungate_core::id::{AgentRef, SessionId, TraceId};
use rungate_gateway::directory::WorkspaceEntry;
use utoipa::IntoParams;

use super::find::idle_before;
use super::view::RunView;
use crate::api::auth::{Caller, workspace_entry};
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::{Name, Params};
use crate::api::requests::filter::{dollars, window};
use crate::api::requests::fresh::caught_up;
use crate::api::requests::query::{Agents, Query, flag, list_name, named};
use crate::services::Services;

/// The filters of runs: joined by AND; the values of a repeated one by OR.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes parameters that `read` reads, and names those that are accepted")]
pub struct RunFilters {
    /// UUID or external id of an agent seen in the run.
    agent_id: Option<Vec<String>>,
    /// The session it was last seen in.
    session_id: Option<Vec<String>>,
    /// `running`, `idle`, `completed`, `failed` or `cancelled`.
    status: Option<Vec<String>>,
    /// The trace it was last seen on.
    trace_id: Option<Vec<String>>,
    /// Runs with a request that has this property.
    #[param(rename = "property.<key>")]
    property: Option<Vec<String>>,
    /// Active at or after; RFC 3339.
    from: Option<String>,
    /// Started before; RFC 3339.
    to: Option<String>,
    /// Cost at least this many dollars.
    min_cost_usd: Option<String>,
    /// Whether a request of it failed.
    has_errors: Option<bool>,
    /// Text in run id, session id and agents, without regard to case.
    q: Option<String>,
}

/// List runs by last activity, newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "Runs", params(RunFilters, PagingParams),
    responses((status = 200, body = Envelope<List<RunView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let workspace = workspace_entry(&services, caller.workspace)?;
    let filter = read(&params, &workspace)?;
    answer(&services, &caller, &workspace, &params, filter, "runs").await
}

/// List the runs of an agent by last activity, newest first.
#[utoipa::path(get, path = "/api/v1/agents/{id}/runs", tag = "Runs",
    params(("id" = String, Path, description = "UUID or external id"), RunFilters, PagingParams),
    responses((status = 200, body = Envelope<List<RunView>>)))]
pub async fn list_of_agent(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(id): Name,
    params: Params,
) -> Result<Response, ApiError> {
    let workspace = workspace_entry(&services, caller.workspace)?;
    let known = |reference: &AgentRef| workspace.agent(reference).is_some();
    let agent = AgentRef::parse(&id).ok().filter(known).ok_or_else(|| ApiError::not_found("agent"))?;
    if params.get("agentId").is_some() {
        return Err(ApiError::field("agentId", "conflict", "the path names the agent already"));
    }
    let mut filter = read(&params, &workspace)?;
    let mut agents = Agents::default();
    agents.add(&agent, &workspace);
    filter.agent_ids = agents.ids;
    filter.agent_external_ids = agents.external_ids;
    answer(&services, &caller, &workspace, &params, filter, &format!("runs of {id}")).await
}

async fn answer(
    services: &Services,
    caller: &Caller,
    workspace: &WorkspaceEntry,
    params: &Params,
    mut filter: RunFilter,
    name: &str,
) -> Result<Response, ApiError> {
    let paging = Paging::read(params, list_name(services, params, name))?;
    let idle_before = idle_before(services, workspace);
    filter.idle_before = Some(idle_before);
    caught_up(services).await;
    let (log, filter, tenant) = (&*services.log, &filter, caller.workspace);
    let page = paging.fetch(|request| async move { log.runs(tenant, filter, &request).await }).await?;
    Ok(ok(paging.list(page.map(|run| RunView::new(run, idle_before)), None)))
}

fn read(params: &Params, workspace: &WorkspaceEntry) -> Result<RunFilter, ApiError> {
    let mut query = Query::open::<RunFilters>(params);
    let agents = query.agents(workspace);
    let (from, to) = window(&mut query);
    let filter = RunFilter {
        agent_ids: agents.ids,
        agent_external_ids: agents.external_ids,
        session_ids: query.all("sessionId", SessionId::parse),
        trace_ids: query.all("traceId", TraceId::parse),
        statuses: query.all("status", named),
        properties: query.properties(),
        from,
        to,
        min_cost: query.one("minCostUsd", dollars),
        has_errors: query.one("hasErrors", flag),
        text: query.text("q"),
        idle_before: None,
    };
    query.finish()?;
    Ok(filter)
}
