//! `GET /checks/{id}`

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use rungate_core::id::{TrailId, WorkspaceId};
use rungate_gateway::trail::{Outcome, TrailError};
use uuid::Uuid;

use super::view::CheckView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Name;
use crate::services::Services;
use rungate_core::code::Code;

/// Read a verdict on an action, with what it rests on and what became of it.
#[utoipa::path(get, path = "/api/v1/checks/{id}", tag = "Checks",
    params(("id" = String, Path, description = "The id of the check")),
    responses((status = 200, body = Envelope<CheckView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(id): Name,
) -> Result<Response, ApiError> {
    require(&services, caller.workspace, &id).await.map(|found| ok(CheckView::from(found)))
}

/// The check of this id.
pub async fn require(services: &Services, workspace: WorkspaceId, id: &str) -> Result<Outcome, ApiError> {
    let unknown = || ApiError::new(Code::CheckNotFound, "check not found");
    let id = TrailId::new(Uuid::try_parse(id).map_err(|_| unknown())?);
    services.trails.outcome(workspace, id, Duration::ZERO).await.map_err(failed)?.ok_or_else(unknown)
}

/// Why a check cannot be read or resolved.
pub fn failed(error: TrailError) -> ApiError {
    match error {
        TrailError::Store(error) => error.into(),
        TrailError::Journal(_) => ApiError::new(Code::Unavailable, "nothing can be recorded now; try again"),
        TrailError::NotHeld => ApiError::new(Code::HoldResolved, "the action is not held"),
        error => ApiError::new(Code::HoldResolved, error.to_string()),
    }
}
