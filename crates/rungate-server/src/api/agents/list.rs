//! `GET /agents`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::Agent;
use rungate_core::budget::Scope;
use rungate_core::exchange::Dimension;
use rungate_core::ports::CatalogFilter;

use super::view::AgentView;
use crate::api::auth::Caller;
use crate::api::budgets::owned;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::api::resources;
use crate::api::spend::Spend;
use crate::services::Services;

/// List agents, newest first.
#[utoipa::path(get, path = "/api/v1/agents", tag = "Agents",
    params(PagingParams, ("status" = Option<String>, Query), ("type" = Option<String>, Query),
        ("environment" = Option<String>, Query), ("source" = Option<String>, Query),
        ("search" = Option<String>, Query)),
    responses((status = 200, body = Envelope<List<AgentView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::read(&params, "agents")?;
    let mut filter = CatalogFilter { facets: Vec::new(), search: params.get("search").map(str::to_owned) };
    for (facet, allowed) in [
        ("status", &["active", "inactive", "archived"][..]),
        ("type", &["ai_agent", "workflow_agent"]),
        ("environment", &["development", "staging", "production"]),
        ("source", &["manual", "n8n_workflow", "custom_webhook", "self_reported"]),
    ] {
        let values = params.one_of(facet, allowed)?;
        if !values.is_empty() {
            filter.facets.push((facet.to_owned(), values));
        }
    }
    if params.get("departmentId").is_some() {
        return Err(ApiError::not_supported_yet("departmentId"));
    }
    let spend = Spend::of_all(&services, caller.workspace, Dimension::Agent).await;
    let view = |agent: Agent| {
        let budget = owned::of(&services, caller.workspace, &Scope::Agent(agent.id()));
        AgentView::new(agent, &spend, budget.as_ref())
    };
    Ok(ok(resources::list(&services, caller.workspace, &filter, &paging, view).await?))
}
