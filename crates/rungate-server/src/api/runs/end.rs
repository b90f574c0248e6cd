//! `POST /runs/{id}/end`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::code::Code;
use rungate_core::trail::{End, EndStatus};
use rungate_gateway::trail::{Place, TrailError};
use serde::Deserialize;
use utoipa::ToSchema;

use super::find::{self, idle_before};
use super::view::RunView;
use crate::api::auth::{Writer, workspace_entry};
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Checks, Json, Request};
use crate::api::params::Name;
use crate::api::requests::fresh::caught_up;
use crate::services::Services;

/// How a run is to end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndRun {
    /// `completed`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    status: EndStatus,
    /// Why, for people; at most 1 000 characters.
    #[serde(default)]
    reason: Option<String>,
}

impl Request for EndRun {
    fn check(&self, checks: &mut Checks) {
        checks.length_of("reason", self.reason.as_ref(), 0..=1_000);
    }
}

/// End a run that was registered. Again with the same status changes nothing.
#[utoipa::path(post, path = "/api/v1/runs/{id}/end", tag = "Runs", request_body = EndRun,
    params(("id" = String, Path, description = "Our id, or the caller's run id, percent-encoded")),
    responses((status = 200, body = Envelope<RunView>)))]
pub async fn end(
    State(services): State<Arc<Services>>,
    Writer(caller): Writer,
    Name(id): Name,
    Json(body): Json<EndRun>,
) -> Result<Response, ApiError> {
    let workspace = workspace_entry(&services, caller.workspace)?;
    caught_up(&services).await;
    let run = find::require(&services, caller.workspace, &id).await?;
    let trail = services.trails.find_run(caller.workspace, &run.run_id).await?;
    let Some(trail) = trail else {
        let message = "the run was not registered, so it has no end; it is idle when nothing happens in it";
        return Err(ApiError::new(Code::InvalidRequest, message));
    };
    let end = End { status: body.status, reason: body.reason, reported_at: None };
    services.trails.end(&trail, Place::default(), end).map_err(|error| match error {
        TrailError::Store(error) => error.into(),
        TrailError::Journal(_) => ApiError::new(Code::Unavailable, "nothing can be recorded now; try again"),
        error => ApiError::new(Code::RunAlreadyEnded, error.to_string()),
    })?;
    caught_up(&services).await;
    let run = find::require(&services, caller.workspace, &id).await?;
    Ok(ok(RunView::new(run, idle_before(&services, &workspace))))
}
