//! Workspaces: `/workspaces`. A token sees the one it is bound to.

pub mod get;
pub mod list;
pub mod settings;
pub mod stats;
pub mod update;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use rungate_core::agent::Workspace;
use rungate_core::id::WorkspaceId;
use uuid::Uuid;

use super::error::ApiError;
use super::resources;
use crate::services::Services;

/// The routes of workspaces.
pub fn routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/workspaces", get(list::list))
        .route("/workspaces/{id}", get(get::get).patch(update::update))
        .route("/workspaces/{id}/stats", get(stats::stats))
}

/// The caller's workspace, if that is the one named; any other is unknown to it.
pub async fn own(services: &Services, caller: WorkspaceId, id: Uuid) -> Result<Workspace, ApiError> {
    if id != caller.uuid() {
        return Err(ApiError::not_found("workspace"));
    }
    resources::require(services, caller, id, "workspace").await
}
