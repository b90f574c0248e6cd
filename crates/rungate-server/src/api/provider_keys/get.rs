//! `GET /provider-keys/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::ProviderKey;

use super::view::ProviderKeyView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::KeyId;
use crate::api::resources;
use crate::services::Services;

/// Read a provider key.
#[utoipa::path(get, path = "/api/v1/provider-keys/{id}", tag = "Provider keys", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<ProviderKeyView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    KeyId(id): KeyId,
) -> Result<Response, ApiError> {
    let key: ProviderKey = resources::require(&services, caller.workspace, id, "provider key").await?;
    Ok(ok(ProviderKeyView::from(key)))
}
