//! `GET /workspaces`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::Workspace;
use rungate_core::ports::CatalogFilter;

use super::view::WorkspaceView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::api::resources;
use crate::services::Services;

/// List the workspaces that the token sees: the one it is bound to.
#[utoipa::path(get, path = "/api/v1/workspaces", tag = "Workspaces", params(PagingParams),
    responses((status = 200, body = Envelope<List<WorkspaceView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::read(&params, "workspaces")?;
    let filter = CatalogFilter::default();
    let view = |workspace: Workspace| WorkspaceView::from(workspace);
    Ok(ok(resources::list(&services, caller.workspace, &filter, &paging, view).await?))
}
