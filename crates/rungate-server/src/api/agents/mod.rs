//! Agents: `/agents`. Either id of an agent names it in a path.

pub mod create;
pub mod delete;
pub mod effective_policy;
pub mod get;
pub mod list;
pub mod update;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use rungate_core::agent::{Agent, ResourceKind};
use rungate_core::id::{AgentRef, WorkspaceId};

use super::error::ApiError;
use super::json::{Later, later};
use super::resources;
use crate::services::Services;

/// The routes of agents.
pub fn routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/agents", get(list::list).post(create::create))
        .route("/agents/{id}/effective-policy", get(effective_policy::effective_policy))
        .route("/agents/{id}", get(get::get).patch(update::update).delete(delete::delete))
}

/// Documented fields of an agent whose effect comes with people, budgets, limits, policies and workflows.
const LATER: &[Later] = &[
    later("departmentId"),
    later("policyIds"),
    later("runtimeType").unless("\"llm_gateway\""),
    later("endpointUrl"),
    later("httpMethod"),
    later("authMode").unless("\"none\""),
    later("authHeaderName"),
    later("authSecret"),
    later("inputFormat"),
    later("timeoutMs"),
    later("retryCount"),
    later("idempotent").unless("false"),
    later("requestSchema"),
    later("responseSchema"),
];

/// An agent by either of its ids; 404 when there is none in the workspace.
pub async fn find(
    services: &Services,
    workspace: WorkspaceId,
    reference: &AgentRef,
) -> Result<Agent, ApiError> {
    let external = match reference {
        AgentRef::Id(id) => return resources::require(services, workspace, id.uuid(), "agent").await,
        AgentRef::External(external) => external,
    };
    let name = Agent::unique_external_id(workspace, external);
    let found = services.catalog.get_unique(ResourceKind::Agent, "external_id", &name).await?;
    Ok(found.ok_or_else(|| ApiError::not_found("agent"))?.read()?)
}

/// The agent that a path names. Text outside the grammar names nothing.
pub async fn named(services: &Services, workspace: WorkspaceId, text: &str) -> Result<Agent, ApiError> {
    let reference = AgentRef::parse(text).map_err(|_| ApiError::not_found("agent"))?;
    find(services, workspace, &reference).await
}
