//! `GET /virtual-keys`

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::VirtualKey;
use rungate_core::budget::Scope;
use rungate_core::exchange::Dimension;
use rungate_core::id::AgentRef;
use rungate_core::page::{Page, PageRequest, Position};
use rungate_core::ports::CatalogFilter;

use super::view::{VirtualKeyView, status_of};
use crate::api::agents;
use crate::api::auth::Caller;
use crate::api::budgets::owned;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::api::resources;
use crate::api::spend::Spend;
use crate::services::Services;

/// List virtual keys, newest first. `entityId` takes either id of an agent.
#[utoipa::path(get, path = "/api/v1/virtual-keys", tag = "Virtual keys",
    params(PagingParams, ("status" = Option<String>, Query), ("entityType" = Option<String>, Query),
        ("entityId" = Option<String>, Query), ("search" = Option<String>, Query)),
    responses((status = 200, body = Envelope<List<VirtualKeyView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::read(&params, "virtual-keys")?;
    let mut filter = CatalogFilter { facets: Vec::new(), search: params.get("search").map(str::to_owned) };
    let statuses = params.one_of("status", &["active", "disabled", "expired", "revoked", "exceeded"])?;
    let types = params.one_of("entityType", &["agent", "member"])?;
    let mut entities = Vec::new();
    for text in params.all("entityId") {
        let reference = AgentRef::parse(text)
            .map_err(|error| ApiError::field("entityId", "format", error.to_string()))?;
        entities.push(match reference {
            AgentRef::Id(id) => id.to_string(),
            external @ AgentRef::External(_) => {
                agents::find(&services, caller.workspace, &external).await?.id().to_string()
            }
        });
    }
    for (facet, values) in [("entity_type", types), ("entity_id", entities)] {
        if !values.is_empty() {
            filter.facets.push((facet.to_owned(), values));
        }
    }
    let spend = Spend::of_all(&services, caller.workspace, Dimension::VirtualKey).await;
    let now = services.clock.now();
    let view = |key: VirtualKey| {
        let budget = owned::of(&services, caller.workspace, &Scope::VirtualKey(key.id()));
        VirtualKeyView::new(key, &spend, budget.as_ref(), now)
    };
    if statuses.is_empty() {
        return Ok(ok(resources::list(&services, caller.workspace, &filter, &paging, view).await?));
    }
    // Whether a key has expired is a matter of time, which no index knows.
    let mut keys: Vec<VirtualKey> = resources::all(&services, caller.workspace, &filter).await?;
    keys.retain(|key| statuses.iter().any(|status| status == status_of(key, now)));
    // Documents keep times less finely than the store orders by, and a cursor is made of what they keep.
    keys.sort_by_key(|key| Reverse((key.head.created_at, key.head.id)));
    let total = keys.len() as u64;
    let page = paging.fetch(|request| std::future::ready(Ok(page_of(&keys, &request)))).await?;
    Ok(ok(paging.list(page.map(view), Some(total))))
}

/// One keyset page of keys that stand newest first.
fn page_of(keys: &[VirtualKey], request: &PageRequest) -> Page<VirtualKey> {
    let position =
        |key: &VirtualKey| Position { at: key.head.created_at.micros(), id: key.head.id.to_string() };
    let is_after = |key: &&VirtualKey| {
        request.after.as_ref().is_none_or(|after| {
            let at = position(key);
            (at.at, at.id.as_str()) < (after.at, after.id.as_str())
        })
    };
    let mut rest = keys.iter().filter(is_after);
    let items: Vec<VirtualKey> = rest.by_ref().take(request.limit).cloned().collect();
    let next = if rest.next().is_some() { items.last().map(position) } else { None };
    Page { items, next }
}
