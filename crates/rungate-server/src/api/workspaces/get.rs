//! `GET /workspaces/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::view::WorkspaceView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::services::Services;

/// Read a workspace.
#[utoipa::path(get, path = "/api/v1/workspaces/{id}", tag = "Workspaces", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<WorkspaceView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let workspace = super::own(&services, caller.workspace, id).await?;
    Ok(ok(WorkspaceView::from(workspace)))
}
