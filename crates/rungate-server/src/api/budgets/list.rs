//! `GET /budgets`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::budget::Budget;
use rungate_core::ports::CatalogFilter;

use super::view::{self, BudgetView};
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::api::resources;
use crate::services::Services;

/// List budgets, newest first, with what is spent and reserved now.
#[utoipa::path(get, path = "/api/v1/budgets", tag = "Budgets",
    params(PagingParams, ("scopeType" = Option<String>, Query), ("scopeId" = Option<String>, Query)),
    responses((status = 200, body = Envelope<List<BudgetView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::read(&params, "budgets")?;
    let mut filter = CatalogFilter::default();
    for (name, facet) in [("scopeType", "scope_type"), ("scopeId", "scope_id")] {
        let values: Vec<String> = params.all(name).map(str::to_owned).collect();
        if !values.is_empty() {
            filter.facets.push((facet.to_owned(), values));
        }
    }
    let mut page =
        resources::list(&services, caller.workspace, &filter, &paging, |budget: Budget| view::new(budget))
            .await?;
    for item in &mut page.data {
        view::fill(&services, item).await?;
    }
    Ok(ok(page))
}
