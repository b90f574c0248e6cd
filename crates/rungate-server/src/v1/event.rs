//! `POST /v1/event`: one event, or a batch.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use rungate_core::code::Code;
use rungate_core::id::{RunId, SessionId, TraceId, TrailId};
use rungate_core::time::Timestamp;
use rungate_core::trail::{Event, EventTrust, EventType};
use rungate_gateway::trail::{Place, Told, Trail};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::RunApi;
use super::caller::Asked;
use super::content::{self, Content, Fit, MAX_CONTENT_BYTES};
use super::error::{RunError, respond};
use super::fields::{Fields, TimeForm, invalid, missing, uuid_in};

/// Events of a batch.
const MAX_BATCH: usize = 100;
const PREVIEW_CHARACTERS: usize = 200;
/// The content is kept, and does not fit its schema.
const MISMATCH: &str = "content_schema_mismatch";

/// The answer to an event.
#[derive(Debug, Serialize)]
struct Taken {
    event_id: TrailId,
    /// Seconds since 1970.
    timestamp: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Takes events; acknowledged are those that are in the journal.
pub async fn event(State(api): State<Arc<RunApi>>, asked: Asked) -> Result<Response, RunError> {
    let items = match &asked.body {
        Value::Array(items) => Some((items, None)),
        Value::Object(body) => match body.get("events") {
            Some(Value::Array(items)) => Some((items, body.get("trace_id"))),
            _ => None,
        },
        _ => None,
    };
    match items {
        Some((items, trace_id)) => batch(&api, &asked, items, trace_id).await,
        None => take(&api, &asked, &asked.body, None).await.map(|taken| Json(taken).into_response()),
    }
}

async fn batch(
    api: &RunApi,
    asked: &Asked,
    items: &[Value],
    trace_id: Option<&Value>,
) -> Result<Response, RunError> {
    if items.is_empty() || items.len() > MAX_BATCH {
        let message = format!("a batch has 1 to {MAX_BATCH} events; this one has {}", items.len());
        return Err(RunError::new(Code::BatchTooLarge, message));
    }
    let (mut results, mut accepted, mut first_error) = (Vec::with_capacity(items.len()), 0_u64, None);
    for (index, item) in items.iter().enumerate() {
        match take(api, asked, item, trace_id).await {
            Ok(taken) => {
                accepted += 1;
                let mut result =
                    json!({ "index": index, "event_id": taken.event_id, "timestamp": taken.timestamp });
                if !taken.warnings.is_empty() {
                    result["warnings"] = json!(taken.warnings);
                }
                results.push(result);
            }
            Err(error) => {
                results.push(json!({ "index": index, "error": error.to_json() }));
                first_error.get_or_insert(error);
            }
        }
    }
    let rejected = items.len() as u64 - accepted;
    let body = json!({ "accepted": accepted, "rejected": rejected, "results": results });
    Ok(match first_error {
        Some(error) if accepted == 0 => respond(&error, &body),
        _ => Json(body).into_response(),
    })
}

async fn take(
    api: &RunApi,
    asked: &Asked,
    item: &Value,
    trace_id: Option<&Value>,
) -> Result<Taken, RunError> {
    let fields = Fields::of(item, asked.is_strict())?;
    let event_type = event_type(fields)?;
    let trail = trail(api, asked, fields.get("trace_id").or(trace_id)).await?;
    let reported_at = fields.timestamp(TimeForm::Seconds)?;
    let Content { value, text, .. } = content::content(fields, MAX_CONTENT_BYTES)?;
    let Fit { schema, fits } = content::schema(fields, &api.schemas, &value)?;
    if fields.is_strict() && fits == Some(false) {
        return Err(RunError::new(Code::SchemaMismatch, "content does not fit schema"));
    }
    let given = fields.either("event_id", "id").map(|value| uuid_in("event_id", value)).transpose()?;
    let place = place(asked, fields)?;
    let action_check_id = fields.uuid("action_check_id")?.map(TrailId::new);
    belongs(fields, &trail)?;
    let warnings: Vec<String> = (fits == Some(false)).then(|| MISMATCH.to_owned()).into_iter().collect();
    let event = Event {
        event_type,
        original_type: None,
        reported_at,
        schema,
        schema_valid: fits,
        trust: EventTrust::Reported,
        warnings: warnings.clone(),
        properties: fields.properties()?,
        action_check_id,
        fingerprint: fingerprint(item),
        preview: text.chars().take(PREVIEW_CHARACTERS).collect(),
    };
    let given = given.map(TrailId::new);
    let told = api.services.trails.event(&trail, given, place, event, text.into_bytes()).await?;
    let Told { id, at } = told;
    Ok(Taken { event_id: id, timestamp: float(at), warnings })
}

fn event_type(fields: Fields<'_>) -> Result<EventType, RunError> {
    let names = || EventType::ALL.map(EventType::as_str).join(", ");
    match fields.either("event_type", "type") {
        None => Err(missing("event_type")),
        Some(Value::String(name)) => EventType::named(name).ok_or_else(|| {
            RunError::new(Code::InvalidEventType, format!("event_type must be one of {}", names()))
        }),
        Some(_) => {
            Err(RunError::new(Code::InvalidEventType, format!("event_type must be one of {}", names())))
        }
    }
}

/// The trail that a `trace_id` names. What is none, or somebody else's, is not there.
pub(super) async fn trail(
    api: &RunApi,
    asked: &Asked,
    trace_id: Option<&Value>,
) -> Result<Arc<Trail>, RunError> {
    let Some(value) = trace_id.filter(|value| !value.is_null()) else { return Err(missing("trace_id")) };
    let named = value.as_str().and_then(|text| uuid::Uuid::try_parse(text).ok());
    let Some(trace_id) = named.and_then(|id| TraceId::parse(&id.to_string()).ok()) else {
        return Err(RunError::unknown_trace());
    };
    let found = api.services.trails.find(asked.tenant(), &trace_id).await?;
    let trail = found.ok_or_else(RunError::unknown_trace)?;
    match &asked.bound {
        Some(agent) if trail.agent.id != Some(agent.id()) => {
            let message =
                format!("The key is bound to agent {}, and the run is another's", agent.external_id);
            Err(RunError::new(Code::AgentMismatch, message))
        }
        _ => Ok(trail),
    }
}

pub(super) fn place(asked: &Asked, fields: Fields<'_>) -> Result<Place, RunError> {
    Ok(Place {
        virtual_key_id: asked.virtual_key_id,
        step_id: fields.caller_id("step_id")?,
        parent_step_id: fields.caller_id("parent_step_id")?,
        tool_call_id: fields.caller_id("tool_call_id")?,
    })
}

/// A run or session that is named must be that of the trace.
fn belongs(fields: Fields<'_>, trail: &Trail) -> Result<(), RunError> {
    if fields.id("run_id", RunId::parse)?.is_some_and(|run_id| run_id != trail.run_id) {
        return Err(invalid("run_id", "is not that of the trace"));
    }
    let session_id = fields.id("session_id", SessionId::parse)?;
    if session_id.is_some() && session_id != trail.session_id {
        return Err(invalid("session_id", "is not that of the trace"));
    }
    Ok(())
}

/// What an id that comes again must come with: everything that the client sent.
fn fingerprint(item: &Value) -> String {
    let digest = Sha256::digest(item.to_string().as_bytes());
    digest.iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
}

/// Seconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "microseconds of this age have 51 bits")]
pub(super) fn float(at: Timestamp) -> f64 {
    at.micros() as f64 / 1e6
}
