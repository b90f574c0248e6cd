//! `GET /sessions/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::id::SessionId;

use super::view::SessionView;
use crate::api::auth::{Caller, workspace_entry};
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Name;
use crate::api::requests::fresh::caught_up;
use crate::api::runs::find::idle_before;
use crate::services::Services;

/// Read a session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "Sessions",
    params(("id" = String, Path, description = "The caller's session id, percent-encoded")),
    responses((status = 200, body = Envelope<SessionView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(id): Name,
) -> Result<Response, ApiError> {
    let workspace = workspace_entry(&services, caller.workspace)?;
    let not_found = || ApiError::not_found("session");
    let id = SessionId::parse(&id).map_err(|_| not_found())?;
    caught_up(&services).await;
    let session = services.log.session(caller.workspace, &id).await?.ok_or_else(not_found)?;
    Ok(ok(SessionView::new(session, idle_before(&services, &workspace))))
}
