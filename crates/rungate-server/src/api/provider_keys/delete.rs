//! `DELETE /provider-keys/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::{Agent, AgentStatus, KeyOwner, KeyStatus, ProviderKey, Resource as _, VirtualKey};
use rungate_core::code::Code;
use rungate_core::id::{AgentId, ProviderKeyId, WorkspaceId};
use rungate_core::ports::{CatalogFilter, Write};
use serde_json::json;

use crate::api::auth::Admin;
use crate::api::envelope::no_content;
use crate::api::error::ApiError;
use crate::api::params::{KeyId, Params};
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// What is written on virtual keys that the deletion switched off.
const CASCADE: &str = "master_key_cascade";

/// Delete a provider key.
///
/// While agents or virtual keys use it that is 409 `in_use`, unless `cascade=true`: then the virtual keys are disabled.
#[utoipa::path(delete, path = "/api/v1/provider-keys/{id}", tag = "Provider keys",
    params(("id" = String, Path), ("cascade" = Option<bool>, Query)), responses((status = 204)))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    KeyId(id): KeyId,
    if_match: IfMatch,
    params: Params,
) -> Result<Response, ApiError> {
    let key: ProviderKey = resources::require(&services, caller.workspace, id, "provider key").await?;
    if_match.check(None, &key.head)?;
    let cascade = params.parse::<bool>("cascade", "must be true or false")?.unwrap_or(false);
    let users = Users::of(&services, caller.workspace, key.id()).await?;
    if !cascade && !users.is_empty() {
        return Err(users.in_use());
    }
    let mut writes = users.disable(&services)?;
    writes.push(Write::delete(&key));
    resources::commit(&services, writes).await?;
    Ok(no_content())
}

/// What uses a provider key.
struct Users {
    agents: Vec<AgentId>,
    keys: Vec<VirtualKey>,
}

impl Users {
    async fn of(services: &Services, workspace: WorkspaceId, id: ProviderKeyId) -> Result<Self, ApiError> {
        let everything = CatalogFilter::default();
        let agents: Vec<AgentId> = resources::all::<Agent>(services, workspace, &everything)
            .await?
            .iter()
            .filter(|agent| agent.provider_key_id == Some(id) && agent.status != AgentStatus::Archived)
            .map(Agent::id)
            .collect();
        let uses = |key: &VirtualKey| match (key.provider_key_id, key.owner) {
            (Some(own), _) => own == id,
            (None, KeyOwner::Agent(agent)) => agents.contains(&agent),
            (None, KeyOwner::Member(_)) => false,
        };
        let mut keys = resources::all::<VirtualKey>(services, workspace, &everything).await?;
        keys.retain(|key| key.status != KeyStatus::Revoked && uses(key));
        Ok(Self { agents, keys })
    }

    fn is_empty(&self) -> bool {
        self.agents.is_empty() && self.keys.is_empty()
    }

    fn in_use(&self) -> ApiError {
        let message = format!(
            "{} agents and {} virtual keys use this provider key; cascade=true disables the keys",
            self.agents.len(),
            self.keys.len()
        );
        let keys: Vec<_> = self.keys.iter().map(VirtualKey::id).collect();
        ApiError::new(Code::InUse, message).details(json!({ "agents": self.agents, "virtualKeys": keys }))
    }

    fn disable(self, services: &Services) -> Result<Vec<Write>, ApiError> {
        let now = services.clock.now();
        let active = self.keys.into_iter().filter(|key| key.status == KeyStatus::Active);
        let writes = active.map(|mut key| {
            key.status = KeyStatus::Disabled;
            key.disabled_by = Some(CASCADE.to_owned());
            Write::update(&key.touched(now)).map_err(ApiError::from)
        });
        writes.collect()
    }
}
