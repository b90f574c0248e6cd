//! `DELETE /policies/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::policy::Policy;
use rungate_core::ports::Write;

use super::versions;
use crate::api::auth::Admin;
use crate::api::envelope::no_content;
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Remove a policy with all its versions. What it decided stays on the requests.
#[utoipa::path(delete, path = "/api/v1/policies/{id}", tag = "Policies", params(("id" = String, Path)),
    responses((status = 204)))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
    if_match: IfMatch,
) -> Result<Response, ApiError> {
    let policy: Policy = resources::require(&services, caller.workspace, id, "policy").await?;
    if_match.check(None, &policy.head)?;
    let versions = versions::all(&services, caller.workspace, policy.id()).await?;
    let mut writes: Vec<Write> = versions.iter().map(Write::delete).collect();
    writes.push(Write::delete(&policy));
    resources::commit(&services, writes).await?;
    Ok(no_content())
}
