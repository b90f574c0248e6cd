//! `GET /runs/{id or runId}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::find::{self, idle_before};
use super::steps;
use super::view::{ModelCostView, RunDetail, RunView};
use crate::api::auth::{Caller, workspace_entry};
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Name;
use crate::api::requests::fresh::caught_up;
use crate::services::Services;

/// Read a run by our id or by the caller's, with its steps.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "Runs",
    params(("id" = String, Path, description = "Our id, or the caller's run id, percent-encoded")),
    responses((status = 200, body = Envelope<RunDetail>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(id): Name,
) -> Result<Response, ApiError> {
    let workspace = workspace_entry(&services, caller.workspace)?;
    caught_up(&services).await;
    let mut run = find::require(&services, caller.workspace, &id).await?;
    let (requests, are_more) = find::requests(&services, &run).await?;
    let (told, is_more_told) = find::told(&services, &run).await?;
    let (registration, system_prompt) = find::registration(&services, &run).await?.unwrap_or_default();
    let cost_by_model = std::mem::take(&mut run.by_model).into_iter().map(ModelCostView::from).collect();
    let mut properties = registration.properties;
    properties.extend(requests.iter().flat_map(|request| request.attribution.properties.clone()));
    Ok(ok(RunDetail {
        run: RunView::new(run, idle_before(&services, &workspace)),
        system_prompt,
        properties,
        steps: steps::tree(&requests, &told),
        steps_truncated: are_more || is_more_told,
        cost_by_model,
    }))
}
