//! `GET /policies/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::policy::Policy;

use super::view::PolicyView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::api::resources;
use crate::services::Services;

/// Read a policy.
#[utoipa::path(get, path = "/api/v1/policies/{id}", tag = "Policies", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<PolicyView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let policy: Policy = resources::require(&services, caller.workspace, id, "policy").await?;
    Ok(ok(PolicyView::from(policy)))
}
