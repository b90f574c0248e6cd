//! `POST /v1/register-agent-run`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use rungate_core::code::Code;
use rungate_core::id::{AgentRef, RunId, SessionId};
use rungate_core::trail::Registration;
use rungate_gateway::registrar::NewAgent;
use rungate_gateway::stage::identify;
use rungate_gateway::trail::NewRun;
use serde::Serialize;
use serde_json::Value;

use super::RunApi;
use super::caller::Asked;
use super::error::RunError;
use super::fields::{Fields, TimeForm, missing};

const MAX_SYSTEM_PROMPT_BYTES: usize = 512 << 10;
const MAX_NAME_CHARACTERS: usize = 200;

/// A run that is registered.
#[derive(Debug, Serialize)]
pub struct Registered {
    trace_id: String,
    timestamp: String,
    run_id: String,
}

/// Registers a run: its trace id is on disk when it is answered.
pub async fn register(State(api): State<Arc<RunApi>>, asked: Asked) -> Result<Json<Registered>, RunError> {
    let fields = Fields::of(&asked.body, asked.is_strict())?;
    let reference = agent_id(fields)?;
    let reported_at = fields.timestamp(TimeForm::Iso)?;
    let system_prompt = fields.text("system_prompt")?;
    if system_prompt.len() > MAX_SYSTEM_PROMPT_BYTES {
        let message = format!("system_prompt has more than {MAX_SYSTEM_PROMPT_BYTES} bytes");
        return Err(RunError::new(Code::PayloadTooLarge, message));
    }
    let run_id = fields.id("run_id", RunId::parse)?;
    let session_id = fields.id("session_id", SessionId::parse)?;
    let name = fields.short_text("name", MAX_NAME_CHARACTERS)?;
    let properties = fields.properties()?;
    let caller = identify::named(&asked.workspace, asked.bound.as_deref(), &reference, None)?;
    if caller.is_new {
        api.registrar.leave(NewAgent {
            workspace: asked.tenant(),
            external_id: caller.agent.external_id.clone(),
            name: None,
        });
    }
    let new = NewRun {
        workspace: asked.tenant(),
        run_id,
        session_id,
        agent: caller.agent,
        virtual_key_id: asked.virtual_key_id,
        registration: Registration { name, properties, reported_at },
        system_prompt: system_prompt.to_owned(),
    };
    let trail = api.services.trails.register(new).await?;
    Ok(Json(Registered {
        trace_id: trail.trace_id.to_string(),
        timestamp: trail.registered_at.to_string(),
        run_id: trail.run_id.to_string(),
    }))
}

/// A UUID or, where that is tolerated, an external id.
fn agent_id(fields: Fields<'_>) -> Result<AgentRef, RunError> {
    let bad = || RunError::new(Code::InvalidAgentId, "Invalid agent_id format");
    let text = match fields.get("agent_id") {
        None => return Err(missing("agent_id")),
        Some(Value::String(text)) => text,
        Some(_) => return Err(bad()),
    };
    match AgentRef::parse(text).map_err(|_| bad())? {
        AgentRef::External(_) if fields.is_strict() => Err(bad()),
        reference => Ok(reference),
    }
}
