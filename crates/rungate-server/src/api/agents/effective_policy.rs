//! `GET /agents/{id}/effective-policy`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::id::VirtualKeyId;
use rungate_core::policy::Effective;
use uuid::Uuid;

use crate::api::auth::{Caller, workspace_entry};
use crate::api::envelope::ok;
use crate::api::error::ApiError;
use crate::api::params::{Name, Params};
use crate::services::Services;

/// What policies come to for an agent: all that apply, narrowest first, and the strictest of what can be merged.
#[utoipa::path(get, path = "/api/v1/agents/{id}/effective-policy", tag = "Agents",
    params(("id" = String, Path), ("virtualKeyId" = Option<String>, Query, description = "With the policies of this key too")),
    responses((status = 200, body = Envelope<Object>)))]
pub async fn effective_policy(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(name): Name,
    params: Params,
) -> Result<Response, ApiError> {
    let agent = super::named(&services, caller.workspace, &name).await?;
    let key = params.parse::<Uuid>("virtualKeyId", "must be the id of a virtual key")?.map(VirtualKeyId::new);
    let entry = workspace_entry(&services, caller.workspace)?;
    let effective = match &entry.policies {
        Some(policies) => policies.for_request(Some(agent.id()), key).effective(),
        None => Effective::default(),
    };
    Ok(ok(effective))
}
