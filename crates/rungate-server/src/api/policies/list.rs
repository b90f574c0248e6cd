//! `GET /policies`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::policy::Policy;
use rungate_core::ports::CatalogFilter;

use super::view::PolicyView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::api::resources;
use crate::services::Services;

/// List policies, newest first.
#[utoipa::path(get, path = "/api/v1/policies", tag = "Policies",
    params(PagingParams, ("type" = Option<String>, Query), ("enabled" = Option<bool>, Query),
        ("target" = Option<String>, Query),
        ("targetId" = Option<String>, Query)),
    responses((status = 200, body = Envelope<List<PolicyView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::read(&params, "policies")?;
    let mut filter = CatalogFilter::default();
    for (name, facet) in [("type", "type"), ("target", "target"), ("targetId", "target_id")] {
        let values: Vec<String> = params.all(name).map(str::to_owned).collect();
        if !values.is_empty() {
            filter.facets.push((facet.to_owned(), values));
        }
    }
    if let Some(enabled) = params.parse::<bool>("enabled", "must be true or false")? {
        filter.facets.push(("enabled".to_owned(), vec![enabled.to_string()]));
    }
    let view = |policy: Policy| PolicyView::from(policy);
    Ok(ok(resources::list(&services, caller.workspace, &filter, &paging, view).await?))
}
