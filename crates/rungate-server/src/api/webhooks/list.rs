//! `GET /webhooks`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::ports::CatalogFilter;
use rungate_core::webhook::Webhook;

use super::view::WebhookView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::api::resources;
use crate::services::Services;

/// List webhooks, newest first.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "Webhooks",
    params(PagingParams, ("search" = Option<String>, Query)),
    responses((status = 200, body = Envelope<List<WebhookView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::read(&params, "webhooks")?;
    let filter = CatalogFilter { facets: Vec::new(), search: params.get("search").map(str::to_owned) };
    let view = |webhook: Webhook| WebhookView::from(&webhook);
    Ok(ok(resources::list(&services, caller.workspace, &filter, &paging, view).await?))
}
