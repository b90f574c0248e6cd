//! `GET /budgets`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::budget::Budget;
use rungate_core::id::AgentRef;
use rungate_core::ports::CatalogFilter;

use super::view::BudgetView;
use crate::api::agents;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::api::resources;
use crate::services::Services;

const TYPES: [&str; 5] = ["workspace", "agent", "virtual_key", "session", "run"];

/// List budgets, newest first. `scopeId` takes the external id of an agent too when `scopeType` says `agent`.
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
    let types = params.one_of("scopeType", &TYPES)?;
    let of_agents = types == ["agent"];
    if !types.is_empty() {
        filter.facets.push(("scope_type".to_owned(), types));
    }
    let mut ids = Vec::new();
    for text in params.all("scopeId") {
        ids.push(match AgentRef::parse(text) {
            Ok(external @ AgentRef::External(_)) if of_agents => {
                agents::find(&services, caller.workspace, &external).await?.id().to_string()
            }
            Ok(AgentRef::Id(id)) => id.to_string(),
            _ => text.to_owned(),
        });
    }
    if !ids.is_empty() {
        filter.facets.push(("scope_id".to_owned(), ids));
    }
    let found: List<Budget> =
        resources::list(&services, caller.workspace, &filter, &paging, |budget: Budget| budget).await?;
    let mut data = Vec::with_capacity(found.data.len());
    for budget in found.data {
        data.push(BudgetView::now(&services, budget).await);
    }
    let List { total, page, page_size, has_more, next_cursor, .. } = found;
    Ok(ok(List { data, total, page, page_size, has_more, next_cursor }))
}
