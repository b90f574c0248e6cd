//! `GET /sessions`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::exchange::SessionFilter;
use utoipa::IntoParams;

use super::view::SessionView;
use crate::api::auth::{Caller, workspace_entry};
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::api::requests::filter::window;
use crate::api::requests::fresh::caught_up;
use crate::api::requests::query::{Query, list_name};
use crate::api::runs::find::idle_before;
use crate::services::Services;

/// The filters of sessions: joined by AND; the values of a repeated one by OR.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes parameters that `list` reads, and names those that are accepted")]
pub struct SessionFilters {
    /// UUID or external id of an agent seen in the session.
    agent_id: Option<Vec<String>>,
    /// Active at or after; RFC 3339.
    from: Option<String>,
    /// Started before; RFC 3339.
    to: Option<String>,
    /// Text in session id, name and agents, without regard to case.
    q: Option<String>,
}

/// List sessions by last activity, newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "Sessions", params(SessionFilters, PagingParams),
    responses((status = 200, body = Envelope<List<SessionView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let workspace = workspace_entry(&services, caller.workspace)?;
    let mut query = Query::open::<SessionFilters>(&params);
    let agents = query.agents(&workspace);
    let (from, to) = window(&mut query);
    let text = query.text("q");
    query.finish()?;
    let filter =
        SessionFilter { agent_ids: agents.ids, agent_external_ids: agents.external_ids, from, to, text };
    let paging = Paging::read(&params, list_name(&services, &params, "sessions"))?;
    caught_up(&services).await;
    let (log, filter, tenant) = (&*services.log, &filter, caller.workspace);
    let page = paging.fetch(|request| async move { log.sessions(tenant, filter, &request).await }).await?;
    let idle_before = idle_before(&services, &workspace);
    Ok(ok(paging.list(page.map(|session| SessionView::new(session, idle_before)), None)))
}
