//! `POST /policies/{id}/activate`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::Resource as _;
use rungate_core::policy::Policy;
use rungate_core::ports::Write;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::PolicyView;
use super::{rules, versions};
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Json, Request};
use crate::api::params::Id;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Which configuration is to be in force.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivatePolicy {
    /// Its number.
    version: u64,
}

impl Request for ActivatePolicy {}

/// Put a saved configuration in force.
#[utoipa::path(post, path = "/api/v1/policies/{id}/activate", tag = "Policies", params(("id" = String, Path)),
    request_body = ActivatePolicy, responses((status = 200, body = Envelope<PolicyView>)))]
pub async fn activate(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
    if_match: IfMatch,
    Json(body): Json<ActivatePolicy>,
) -> Result<Response, ApiError> {
    let policy: Policy = resources::require(&services, caller.workspace, id, "policy").await?;
    if_match.check(None, &policy.head)?;
    let with = versions::with(&services, &policy, body.version).await?;
    let active = Policy { enabled: policy.enabled, ..with };
    rules::check(&services, &active, rules::Config::Stored)?;
    let active = active.touched(services.clock.now());
    resources::commit(&services, vec![Write::update(&active)?]).await?;
    Ok(ok(PolicyView::from(active)))
}
