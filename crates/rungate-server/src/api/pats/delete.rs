//! `DELETE /pats/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::{Pat, Resource as _};
use rungate_core::code::Code;
use rungate_core::ports::Write;

use crate::api::auth::Admin;
use crate::api::envelope::no_content;
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::api::resources;
use crate::services::Services;

/// Revoke a token. Again: the same answer.
#[utoipa::path(delete, path = "/api/v1/pats/{id}", tag = "Personal access tokens", params(("id" = String, Path)),
    responses((status = 204)))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let mut pat: Pat = resources::require(&services, caller.workspace, id, "token").await?;
    if pat.is_owner_token {
        let message = "the owner token is replaced by `rungate owner-token reset`, not revoked";
        return Err(ApiError::new(Code::InUse, message));
    }
    if pat.revoked_at.is_none() {
        let now = services.clock.now();
        pat.revoked_at = Some(now);
        resources::commit(&services, vec![Write::update(&pat.touched(now))?]).await?;
    }
    Ok(no_content())
}
