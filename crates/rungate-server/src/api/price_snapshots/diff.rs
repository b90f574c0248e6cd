//! `GET /price-snapshots/diff`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_llm::catalog;

use super::named::{self, ACTIVE};
use super::view::DiffView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Params;
use crate::services::Services;

/// Tell what differs between two price catalogues: models that came and went, and each price that changed.
#[utoipa::path(get, path = "/api/v1/price-snapshots/diff", tag = "Prices",
    params(
        ("from" = String, Query, description = "An id, `embedded` or `active`"),
        ("to" = Option<String>, Query, description = "The same; by default `active`"),
        ("provider" = Option<String>, Query),
    ),
    responses((status = 200, body = Envelope<DiffView>)))]
pub async fn diff(
    State(services): State<Arc<Services>>,
    _: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let from = params.get("from").ok_or_else(|| ApiError::field("from", "required", "is required"))?;
    let first = named::require(&services, from).await?;
    let second = named::require(&services, params.get("to").unwrap_or(ACTIVE)).await?;
    let found = catalog::diff(&first, &second);
    Ok(ok(DiffView::new(first.snapshot_id(), second.snapshot_id(), found, params.get("provider"))))
}
