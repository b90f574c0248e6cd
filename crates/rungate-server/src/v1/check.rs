//! `POST /v1/check`: whether an action may go on.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use rungate_check::action::Action;
use rungate_core::code::Code;
use rungate_core::id::TrailId;
use rungate_core::time::Timestamp;
use rungate_core::trail::{Check, CheckDecision, Completeness, Evidence};
use rungate_gateway::trail::{AskedCheck, Checked, TrailError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::RunApi;
use super::caller::Asked;
use super::content::{self, Content};
use super::error::RunError;
use super::event::{float, place, trail};
use super::fields::{Fields, TimeForm, invalid};

/// The largest arguments of an action, in bytes.
const MAX_ARGUMENTS_BYTES: usize = 256 << 10;
const MAX_WAIT_SECONDS: u64 = 60;
const EVENT_TYPE: &str = "action_check";

/// The answer to a check. The first four are the documented ones.
#[derive(Debug, Serialize)]
pub struct Verdict {
    is_safe: bool,
    reasoning: String,
    action_check_id: TrailId,
    /// Seconds since 1970.
    timestamp: f64,
    decision: CheckDecision,
    enforced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_be: Option<CheckDecision>,
    policy_version: String,
    completeness: Completeness,
    rules: Vec<Rule>,
    evidence: Vec<EvidenceView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldView>,
}

#[derive(Debug, Serialize)]
struct Rule {
    id: String,
    version: u64,
    effect: CheckDecision,
}

#[derive(Debug, Serialize)]
struct EvidenceView {
    argument: String,
    provenance: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<TrailId>,
}

#[derive(Debug, Serialize)]
struct HoldView {
    id: Uuid,
    expires_at: Timestamp,
}

impl Verdict {
    fn of(checked: Checked) -> Self {
        let Checked { told, check } = checked;
        let Check {
            decision,
            enforced,
            would_be,
            reasoning,
            rules,
            evidence,
            policy_version,
            completeness,
            hold,
            ..
        } = check;
        Self {
            is_safe: decision == CheckDecision::Allow,
            reasoning,
            action_check_id: told.id,
            timestamp: float(told.at),
            decision,
            enforced,
            would_be,
            policy_version,
            completeness,
            rules: rules
                .into_iter()
                .map(|rule| Rule { id: rule.id, version: rule.version, effect: rule.effect })
                .collect(),
            evidence: evidence.into_iter().map(EvidenceView::from).collect(),
            hold: hold.map(|hold| HoldView { id: hold.id, expires_at: hold.expires_at }),
        }
    }
}

impl From<Evidence> for EvidenceView {
    fn from(evidence: Evidence) -> Self {
        let Evidence { argument, provenance, event_id } = evidence;
        Self { argument, provenance, event_id }
    }
}

/// Says whether an action may go on; never that it may where that cannot be said.
pub async fn check(State(api): State<Arc<RunApi>>, asked: Asked) -> Result<Response, RunError> {
    let fields = Fields::of(&asked.body, asked.is_strict())?;
    event_type(fields)?;
    let trail = trail(&api, &asked, fields.get("trace_id")).await?;
    let reported_at = fields.timestamp(TimeForm::Seconds)?;
    let Content { value: arguments, text, .. } = content::content(fields, MAX_ARGUMENTS_BYTES)?;
    let fit = content::schema(fields, &api.schemas, &arguments)?;
    let name = content::action_name(&fit)?;
    let check = AskedCheck {
        place: place(&asked, fields)?,
        action: Action { name, arguments, fits_schema: fit.fits },
        content: text.into_bytes(),
        schema: fit.schema,
        reported_at,
        approval_id: fields.uuid("approval_id")?,
        is_dry_run: flag(fields, "dry_run")?,
    };
    let checked = api.services.trails.check(&trail, check).await.map_err(unavailable)?;
    let took = format!("check;dur={}.{:03}", checked.check.took_us / 1_000, checked.check.took_us % 1_000);
    let mut response = Json(Verdict::of(checked)).into_response();
    if let Ok(took) = HeaderValue::from_str(&took) {
        response.headers_mut().insert("server-timing", took);
    }
    Ok(response)
}

/// How long a client waits for a held action, in `?wait=` seconds.
#[derive(Debug, Deserialize)]
pub struct Wait {
    wait: Option<String>,
}

/// A check, with what became of it where it was held.
pub async fn outcome(
    State(api): State<Arc<RunApi>>,
    Path(id): Path<String>,
    Query(Wait { wait }): Query<Wait>,
    asked: Asked,
) -> Result<Json<Verdict>, RunError> {
    let unknown = || RunError::new(Code::CheckNotFound, "Unknown action_check_id");
    let seconds = match wait.as_deref().map(str::parse::<u64>) {
        None => 0,
        Some(Ok(seconds)) if seconds <= MAX_WAIT_SECONDS => seconds,
        Some(_) => return Err(invalid("wait", &format!("must be 0 to {MAX_WAIT_SECONDS} seconds"))),
    };
    let id = TrailId::new(Uuid::try_parse(&id).map_err(|_| unknown())?);
    let patience = Duration::from_secs(seconds);
    let found = api.services.trails.outcome(asked.tenant(), id, patience).await.map_err(unavailable)?;
    let outcome = found.ok_or_else(unknown)?;
    if asked.bound.as_ref().is_some_and(|agent| outcome.trail.agent.id != Some(agent.id())) {
        return Err(unknown());
    }
    let decision = outcome.decision();
    let mut checked = outcome.checked;
    checked.check.decision = decision;
    Ok(Json(Verdict::of(checked)))
}

/// What cannot be read or recorded is no verdict.
fn unavailable(error: TrailError) -> RunError {
    match error {
        TrailError::Store(error) => {
            tracing::warn!(%error, "check refused: what the run did before cannot be read");
            RunError::new(Code::CheckUnavailable, "What the run did before cannot be read now; try again.")
        }
        TrailError::Journal(error) => {
            tracing::warn!(%error, "check refused: nothing can be recorded");
            RunError::new(Code::CheckUnavailable, "Nothing can be recorded now; try again.")
        }
        error => error.into(),
    }
}

fn event_type(fields: Fields<'_>) -> Result<(), RunError> {
    match fields.either("event_type", "type") {
        None if !fields.is_strict() => Ok(()),
        None => Err(super::fields::missing("event_type")),
        Some(Value::String(name)) if name == EVENT_TYPE => Ok(()),
        Some(_) => Err(RunError::new(Code::InvalidEventType, format!("event_type must be {EVENT_TYPE}"))),
    }
}

fn flag(fields: Fields<'_>, name: &str) -> Result<bool, RunError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(invalid(name, "must be true or false")),
    }
}
