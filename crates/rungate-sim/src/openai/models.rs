//! `GET /v1/models` and `GET /v1/models/{id}`, in both dialects.

use http::StatusCode;
use serde_json::{Value, json};

use crate::call::{Answer, CREATED, Call};
use crate::refusal::Refusal;

const OPENAI: [&str; 12] = [
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "o4-mini",
    "text-embedding-3-small",
    "text-embedding-3-large",
    "omni-moderation-latest",
    "gpt-image-1",
    "whisper-1",
    "gpt-4o-mini-tts",
    "sim-slow",
];
const ANTHROPIC: [&str; 4] = ["claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1", "sim-slow"];

/// Some names. Any other name is served as well.
pub(crate) fn list(call: &Call<'_>) -> Answer {
    Answer::Json(if call.is_anthropic {
        let data: Vec<Value> = ANTHROPIC.iter().map(|id| entry(id, true)).collect();
        json!({"data": data, "has_more": false, "first_id": ANTHROPIC[0], "last_id": ANTHROPIC[ANTHROPIC.len() - 1]})
    } else {
        let data: Vec<Value> = OPENAI.iter().map(|id| entry(id, false)).collect();
        json!({"object": "list", "data": data})
    })
}

/// One model; names that start with `unknown-` do not exist.
pub(crate) fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    if call.id.starts_with("unknown-") {
        return Err(unknown(call.id));
    }
    Ok(Answer::Json(entry(call.id, call.is_anthropic)))
}

/// The refusal of a model that does not exist.
pub(crate) fn unknown(model: &str) -> Refusal {
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    Refusal {
        param: Some("model"),
        ..Refusal::new(StatusCode::NOT_FOUND, message).with_code("model_not_found")
    }
}

fn entry(id: &str, is_anthropic: bool) -> Value {
    if is_anthropic {
        json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z"})
    } else {
        json!({"id": id, "object": "model", "created": CREATED, "owned_by": "rungate-sim"})
    }
}
