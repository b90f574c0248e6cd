//! `DELETE /virtual-keys/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::revoke;
use crate::api::auth::Writer;
use crate::api::envelope::no_content;
use crate::api::error::ApiError;
use crate::api::params::KeyId;
use crate::services::Services;

/// Delete a virtual key: it is revoked, and kept for the history it has.
#[utoipa::path(delete, path = "/api/v1/virtual-keys/{id}", tag = "Virtual keys", params(("id" = String, Path)),
    responses((status = 204)))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    Writer(caller): Writer,
    KeyId(id): KeyId,
) -> Result<Response, ApiError> {
    revoke::revoked(&services, caller.workspace, id).await?;
    Ok(no_content())
}
