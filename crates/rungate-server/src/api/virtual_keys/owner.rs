//! Whom a virtual key stands for, as a request names them.

use rungate_core::agent::{Agent, AgentStatus, KeyOwner, Member};
use rungate_core::id::AgentRef;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::agents;
use crate::api::auth::Caller;
use crate::api::error::ApiError;
use crate::api::resources;
use crate::services::Services;

/// What a key can be bound to.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntityType {
    /// An agent, by either of its ids.
    Agent,
    /// A member.
    #[serde(alias = "user")]
    Member,
}

/// The owner named; the caller's own member when none is.
pub async fn resolve(
    services: &Services,
    caller: &Caller,
    entity_type: Option<EntityType>,
    entity_id: Option<&str>,
) -> Result<KeyOwner, ApiError> {
    let missing =
        |field: &str, other: &str| ApiError::field(field, "required", format!("is required with {other}"));
    match (entity_type, entity_id) {
        (None, None) => Ok(KeyOwner::Member(caller.member())),
        (None, Some(_)) => Err(missing("entityType", "entityId")),
        (Some(_), None) => Err(missing("entityId", "entityType")),
        (Some(EntityType::Agent), Some(text)) => {
            let reference = AgentRef::parse(text)
                .map_err(|error| ApiError::field("entityId", "format", error.to_string()))?;
            let agent: Agent = agents::find(services, caller.workspace, &reference).await?;
            if agent.status == AgentStatus::Archived {
                return Err(ApiError::field("entityId", "state", "the agent is archived"));
            }
            Ok(KeyOwner::Agent(agent.id()))
        }
        (Some(EntityType::Member), Some(text)) => {
            let id: Uuid =
                text.parse().map_err(|_| ApiError::field("entityId", "format", "a member id is a UUID"))?;
            let member: Member = resources::require(services, caller.workspace, id, "member").await?;
            Ok(KeyOwner::Member(member.id()))
        }
    }
}
