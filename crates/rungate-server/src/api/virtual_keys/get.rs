//! `GET /virtual-keys/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::VirtualKey;
use rungate_core::budget::Scope;

use super::view::VirtualKeyView;
use crate::api::auth::Caller;
use crate::api::budgets::owned;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::KeyId;
use crate::api::resources;
use crate::api::spend::Spend;
use crate::services::Services;

/// One virtual key.
#[utoipa::path(get, path = "/api/v1/virtual-keys/{id}", tag = "Virtual keys", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<VirtualKeyView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    KeyId(id): KeyId,
) -> Result<Response, ApiError> {
    let key: VirtualKey = resources::require(&services, caller.workspace, id, "virtual key").await?;
    Ok(ok(view(&services, key).await))
}

/// A stored key with what was spent with it.
pub async fn view(services: &Services, key: VirtualKey) -> VirtualKeyView {
    use rungate_core::exchange::Dimension;
    let entity = key.id().to_string();
    let spend = Spend::of_one(services, key.head.workspace_id, Dimension::VirtualKey, &entity).await;
    let budget = owned::of(services, key.head.workspace_id, &Scope::VirtualKey(key.id()));
    VirtualKeyView::new(key, &spend, budget.as_ref(), services.clock.now())
}
