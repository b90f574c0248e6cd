//! `DELETE /agents/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::{AgentStatus, KeyStatus, Resource as _, VirtualKey};
use rungate_core::budget::{Owner, Scope};
use rungate_core::ports::Write;

use crate::api::auth::Writer;
use crate::api::budgets::owned;
use crate::api::envelope::no_content;
use crate::api::error::ApiError;
use crate::api::params::Name;
use crate::api::resources::{self, facet};
use crate::api::version::IfMatch;
use crate::services::Services;

/// What is written on virtual keys that the archiving switched off.
const ARCHIVED: &str = "agent_archived";

/// Archive an agent and disable its keys. Its history stays.
#[utoipa::path(delete, path = "/api/v1/agents/{id}", tag = "Agents", params(("id" = String, Path)),
    responses((status = 204)))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    Writer(caller): Writer,
    Name(name): Name,
    if_match: IfMatch,
) -> Result<Response, ApiError> {
    let mut agent = super::named(&services, caller.workspace, &name).await?;
    if_match.check(None, &agent.head)?;
    if agent.status == AgentStatus::Archived {
        return Ok(no_content());
    }
    let now = services.clock.now();
    let id = agent.id().to_string();
    let keys: Vec<VirtualKey> =
        resources::all(&services, caller.workspace, &facet("entity_id", &[&id])).await?;
    agent.status = AgentStatus::Archived;
    let agent = agent.touched(now);
    let mut writes = vec![Write::update(&agent)?];
    for mut key in keys.into_iter().filter(|key| key.status == KeyStatus::Active) {
        key.status = KeyStatus::Disabled;
        key.disabled_by = Some(ARCHIVED.to_owned());
        writes.push(Write::update(&key.touched(now))?);
    }
    let id = agent.id();
    let is_gone = |scope: &Scope| *scope == Scope::Agent(id) || scope.of() == Some(Owner::Agent(id));
    writes.extend(owned::orphans(&services, caller.workspace, is_gone).await?);
    resources::commit(&services, writes).await?;
    Ok(no_content())
}
