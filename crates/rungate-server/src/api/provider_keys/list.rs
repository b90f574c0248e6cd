//! `GET /provider-keys`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::ProviderKey;
use rungate_core::ports::CatalogFilter;

use super::view::ProviderKeyView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::api::resources;
use crate::services::Services;

/// List provider keys, newest first.
#[utoipa::path(get, path = "/api/v1/provider-keys", tag = "Provider keys",
    params(PagingParams, ("provider" = Option<String>, Query), ("search" = Option<String>, Query)),
    responses((status = 200, body = Envelope<List<ProviderKeyView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::read(&params, "provider-keys")?;
    let providers: Vec<String> = params.all("provider").map(str::to_owned).collect();
    let mut filter = CatalogFilter { facets: Vec::new(), search: params.get("search").map(str::to_owned) };
    if !providers.is_empty() {
        filter.facets.push(("provider".to_owned(), providers));
    }
    let view = |key: ProviderKey| ProviderKeyView::from(key);
    Ok(ok(resources::list(&services, caller.workspace, &filter, &paging, view).await?))
}
