//! `POST /virtual-keys/{id}/revoke`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::{KeyStatus, Resource as _, VirtualKey};
use rungate_core::budget::{Owner, Scope};
use rungate_core::id::WorkspaceId;
use rungate_core::ports::Write;
use uuid::Uuid;

use super::get;
use super::view::VirtualKeyView;
use crate::api::auth::Writer;
use crate::api::budgets::owned;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::KeyId;
use crate::api::resources;
use crate::services::Services;

/// Revoke a virtual key for good, with its budgets. Again: the same answer. In force everywhere within a second.
#[utoipa::path(post, path = "/api/v1/virtual-keys/{id}/revoke", tag = "Virtual keys", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<VirtualKeyView>)))]
pub async fn revoke(
    State(services): State<Arc<Services>>,
    Writer(caller): Writer,
    KeyId(id): KeyId,
) -> Result<Response, ApiError> {
    let key = revoked(&services, caller.workspace, id).await?;
    Ok(ok(get::view(&services, key).await))
}

/// Revokes a key, if it is not revoked yet.
pub async fn revoked(services: &Services, workspace: WorkspaceId, id: Uuid) -> Result<VirtualKey, ApiError> {
    let mut key: VirtualKey = resources::require(services, workspace, id, "virtual key").await?;
    if key.status == KeyStatus::Revoked {
        return Ok(key);
    }
    key.status = KeyStatus::Revoked;
    key.previous = None;
    let key = key.touched(services.clock.now());
    let id = key.id();
    let mut writes = vec![Write::update(&key)?];
    let is_gone =
        |scope: &Scope| *scope == Scope::VirtualKey(id) || scope.of() == Some(Owner::VirtualKey(id));
    writes.extend(owned::orphans(services, workspace, is_gone).await?);
    resources::commit(services, writes).await?;
    Ok(key)
}
