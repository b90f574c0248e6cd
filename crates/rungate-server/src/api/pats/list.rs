//! `GET /pats`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use rungate_core::agent::Pat;
use rungate_core::ports::CatalogFilter;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::PatView;
use crate::api::auth::{Admin, workspace_entry};
use crate::api::envelope::{superset, to_json};
use crate::api::error::ApiError;
use crate::api::params::Params;
use crate::api::resources::{self, facet};
use crate::services::Services;

const MAX_LIMIT: usize = 200;
const DEFAULT_LIMIT: usize = 50;

/// A part of the tokens, counted the older way.
#[derive(Debug, Serialize, ToSchema)]
pub struct PatList {
    data: Vec<PatView>,
    pagination: Pagination,
}

/// Which part.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pagination {
    /// Tokens in all.
    total: usize,
    /// At most this many were asked for.
    limit: usize,
    /// After this many.
    offset: usize,
}

/// List the tokens that are not revoked, newest first, by `limit` and `offset`.
#[utoipa::path(get, path = "/api/v1/pats", tag = "Personal access tokens",
    params(("limit" = Option<usize>, Query), ("offset" = Option<usize>, Query)),
    responses((status = 200, body = PatList)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    params: Params,
) -> Result<Response, ApiError> {
    let allowed = "must be a whole number from 1 to 200";
    let limit = params.parse::<usize>("limit", allowed)?.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::field("limit", "range", allowed));
    }
    let offset = params.parse::<usize>("offset", "must be a whole number from 0")?.unwrap_or(0);
    let entry = workspace_entry(&services, caller.workspace)?;
    let in_force: CatalogFilter = facet("revoked", &["false"]);
    let mut pats: Vec<Pat> = resources::all(&services, caller.workspace, &in_force).await?;
    pats.reverse();
    let total = pats.len();
    let page = pats.into_iter().skip(offset).take(limit);
    let data = page.map(|pat| PatView::new(pat, &entry.workspace.name)).collect();
    let list = PatList { data, pagination: Pagination { total, limit, offset } };
    let mut body = superset(to_json(&list)?);
    // The list itself stands where a client of either kind looks for it.
    body["data"] = body["data"]["data"].take();
    Ok(Json(body).into_response())
}
