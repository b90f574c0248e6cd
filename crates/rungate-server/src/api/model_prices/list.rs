//! `GET /model-prices`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::PriceOverride;
use rungate_core::ports::CatalogFilter;

use super::view::ModelPriceView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::api::resources;
use crate::services::Services;

/// List the workspace's own prices, newest first.
#[utoipa::path(get, path = "/api/v1/model-prices", tag = "Prices",
    params(PagingParams, ("provider" = Option<String>, Query), ("model" = Option<String>, Query)),
    responses((status = 200, body = Envelope<List<ModelPriceView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::read(&params, "model-prices")?;
    let mut filter: CatalogFilter = resources::facet("deleted", &["false"]);
    for name in ["provider", "model"] {
        let values: Vec<String> = params.all(name).map(str::to_owned).collect();
        if !values.is_empty() {
            filter.facets.push((name.to_owned(), values));
        }
    }
    let view = |price: PriceOverride| ModelPriceView::from(price);
    Ok(ok(resources::list(&services, caller.workspace, &filter, &paging, view).await?))
}
