//! `GET /model-prices/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::PriceOverride;

use super::view::ModelPriceView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::api::resources;
use crate::services::Services;

/// Read a price of the workspace's own.
#[utoipa::path(get, path = "/api/v1/model-prices/{id}", tag = "Prices", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<ModelPriceView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let price: PriceOverride = resources::require(&services, caller.workspace, id, "price").await?;
    if price.deleted_at.is_some() {
        return Err(ApiError::not_found("price"));
    }
    Ok(ok(ModelPriceView::from(price)))
}
