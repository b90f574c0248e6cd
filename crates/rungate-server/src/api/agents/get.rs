//! `GET /agents/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::Agent;
use rungate_core::budget::Scope;
use rungate_core::exchange::Dimension;

use super::view::AgentView;
use crate::api::auth::Caller;
use crate::api::budgets::owned;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Name;
use crate::api::spend::Spend;
use crate::services::Services;

/// One agent, by either of its ids.
#[utoipa::path(get, path = "/api/v1/agents/{id}", tag = "Agents", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<AgentView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(name): Name,
) -> Result<Response, ApiError> {
    let agent = super::named(&services, caller.workspace, &name).await?;
    Ok(ok(view(&services, agent).await))
}

/// A stored agent with what it spent. An agent's traffic may be older than its registration, so all of it counts.
pub async fn view(services: &Services, agent: Agent) -> AgentView {
    let (workspace, entity) = (agent.head.workspace_id, agent.external_id.to_string());
    let spend = Spend::of_one(services, workspace, Dimension::Agent, &entity).await;
    let budget = owned::of(services, workspace, &Scope::Agent(agent.id()));
    AgentView::new(agent, &spend, budget.as_ref())
}
