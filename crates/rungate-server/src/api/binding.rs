//! What agents and virtual keys may be bound to.

use rungate_core::agent::ProviderKey;
use rungate_core::id::{ProviderKeyId, WorkspaceId};
use rungate_core::ports;

use super::error::ApiError;
use crate::services::Services;

/// Checks that a provider key, if one is named, is one of the workspace.
pub async fn provider_key(
    services: &Services,
    workspace: WorkspaceId,
    id: Option<ProviderKeyId>,
) -> Result<Option<ProviderKeyId>, ApiError> {
    if let Some(id) = id
        && ports::load::<ProviderKey>(&*services.catalog, workspace, id.uuid()).await?.is_none()
    {
        return Err(ApiError::field("masterKeyId", "unknown", "no such provider key in this workspace"));
    }
    Ok(id)
}
