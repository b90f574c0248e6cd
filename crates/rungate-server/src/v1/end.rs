//! `POST /v1/end-agent-run`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use rungate_core::code::Code;
use rungate_core::id::RunId;
use rungate_core::trail::{End, EndStatus};
use rungate_gateway::trail::Place;
use serde_json::{Value, json};

use super::RunApi;
use super::caller::Asked;
use super::error::RunError;
use super::event::trail;
use super::fields::{Fields, TimeForm, invalid, missing};

const MAX_REASON_CHARACTERS: usize = 1_000;
/// How long the log may take to have the run's last entries.
const PATIENCE: Duration = Duration::from_secs(1);

/// Ends a run; its sums so far.
pub async fn end(State(api): State<Arc<RunApi>>, asked: Asked) -> Result<Json<Value>, RunError> {
    let fields = Fields::of(&asked.body, asked.is_strict())?;
    let trail = match (fields.get("trace_id"), fields.id("run_id", RunId::parse)?) {
        (None, None) => return Err(missing("trace_id")),
        (None, Some(run_id)) => {
            let found = api.services.trails.find_run(asked.tenant(), &run_id).await?;
            let message = "No run with this run_id was registered";
            found.ok_or_else(|| RunError::new(Code::NotFound, message))?
        }
        (trace_id, _) => trail(&api, &asked, trace_id).await?,
    };
    let status = match fields.text("status")? {
        "completed" => EndStatus::Completed,
        "failed" => EndStatus::Failed,
        "cancelled" => EndStatus::Cancelled,
        _ => return Err(invalid("status", "must be completed, failed or cancelled")),
    };
    let reason = fields.short_text("reason", MAX_REASON_CHARACTERS)?;
    let reported_at = match fields.get("timestamp") {
        None => None,
        Some(_) => fields.timestamp(TimeForm::Iso)?,
    };
    let place = Place { virtual_key_id: asked.virtual_key_id, ..Place::default() };
    let services = &api.services;
    let at = services.trails.end(&trail, place, End { status, reason, reported_at })?;
    // The sums are as far as the log is, which is milliseconds.
    services.journal.wait_applied(services.journal.last(), PATIENCE).await;
    let run = services.log.run(trail.workspace, &trail.run_id).await?;
    let totals = run.map(|run| {
        json!({
            "requests": run.totals.requests + run.open,
            "events": run.events,
            "checks": run.checks.allow + run.checks.hold + run.checks.deny,
            "cost_nano_usd": run.totals.cost.nanos().to_string(),
            "unknown_cost_requests": run.totals.unknown_cost_requests,
        })
    });
    Ok(Json(json!({
        "trace_id": trail.trace_id,
        "run_id": trail.run_id,
        "status": status.as_str(),
        "timestamp": at.to_string(),
        "totals": totals,
    })))
}
