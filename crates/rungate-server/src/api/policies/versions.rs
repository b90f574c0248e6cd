//! `GET /policies/{id}/versions`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::id::{PolicyId, WorkspaceId};
use rungate_core::policy::{Policy, PolicyVersion};

use super::view::PolicyVersionView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::{Id, Params};
use crate::api::resources;
use crate::services::Services;

/// List the configurations that were saved, newest first.
#[utoipa::path(get, path = "/api/v1/policies/{id}/versions", tag = "Policies",
    params(("id" = String, Path), PagingParams), responses((status = 200, body = Envelope<List<PolicyVersionView>>)))]
pub async fn versions(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::read(&params, "policy-versions")?;
    let policy: Policy = resources::require(&services, caller.workspace, id, "policy").await?;
    let filter = resources::facet("policy_id", &[&policy.id().to_string()]);
    let view = |version: PolicyVersion| PolicyVersionView::from(version);
    Ok(ok(resources::list(&services, caller.workspace, &filter, &paging, view).await?))
}

/// Every configuration of a policy.
pub async fn all(
    services: &Services,
    workspace: WorkspaceId,
    policy: PolicyId,
) -> Result<Vec<PolicyVersion>, ApiError> {
    resources::all(services, workspace, &resources::facet("policy_id", &[&policy.to_string()])).await
}

/// The policy as it would be with a saved version in force.
pub async fn with(services: &Services, policy: &Policy, number: u64) -> Result<Policy, ApiError> {
    let versions = all(services, policy.head.workspace_id, policy.id()).await?;
    let version = versions.into_iter().find(|version| version.number == number);
    let version = version
        .ok_or_else(|| ApiError::field("version", "unknown", "the policy has no version of this number"))?;
    Ok(policy.with(&version))
}

/// The number of the newest.
pub async fn last(services: &Services, workspace: WorkspaceId, policy: PolicyId) -> Result<u64, ApiError> {
    let versions = all(services, workspace, policy).await?;
    Ok(versions.iter().map(|version| version.number).max().unwrap_or(0))
}
