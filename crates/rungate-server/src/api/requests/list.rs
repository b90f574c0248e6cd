//! `GET /requests`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::filter::{self, RequestFilters, Wanted};
use super::fresh::caught_up_within;
use super::query::list_name;
use super::view::RequestView;
use crate::api::auth::{Caller, workspace_entry};
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::services::Services;

/// List requests by time, newest first. Also at `/api/v1/logs`.
#[utoipa::path(get, path = "/api/v1/requests", tag = "Requests", params(RequestFilters, PagingParams),
    responses((status = 200, body = Envelope<List<RequestView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let workspace = workspace_entry(&services, caller.workspace)?;
    let Wanted { mut filter, order, count } = filter::read(&params, &workspace)?;
    let mut paging = Paging::read(&params, list_name(&services, &params, "requests"))?.ordered(order);
    paging.check_uuid()?;
    filter::bound(&mut filter, &mut paging, services.clock.now())?;
    caught_up_within(&services, filter.from, filter.to).await;
    let (log, filter, tenant) = (&*services.log, &filter, caller.workspace);
    let page = paging.fetch(|request| async move { log.find(tenant, filter, &request).await }).await?;
    let total = if count { Some(log.count(tenant, filter).await?) } else { None };
    Ok(ok(paging.list(page.map(RequestView::from), total)))
}
