//! `GET /members`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::Member;
use rungate_core::exchange::Dimension;
use rungate_core::ports::CatalogFilter;

use super::view::MemberView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::api::resources;
use crate::api::spend::Spend;
use crate::services::Services;

/// List the members of the workspace.
#[utoipa::path(get, path = "/api/v1/members", tag = "Members", params(PagingParams),
    responses((status = 200, body = Envelope<List<MemberView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::read(&params, "members")?;
    let spend = Spend::of_all(&services, caller.workspace, Dimension::Member).await;
    let view = |member: Member| MemberView::new(member, &spend);
    Ok(ok(resources::list(&services, caller.workspace, &CatalogFilter::default(), &paging, view).await?))
}
