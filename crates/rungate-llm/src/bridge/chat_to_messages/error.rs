//! Anthropic's errors in OpenAI's shape. Anthropic has no codes, so its type is the code as well.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// `{"type": "error", "error": {…}}`
#[derive(Debug, Deserialize)]
struct Body {
    error: Problem,
}

#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    message: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ChatBody<'a> {
    error: ChatProblem<'a>,
}

#[derive(Debug, Serialize)]
struct ChatProblem<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<()>,
    code: &'a str,
}

impl Problem {
    pub(super) fn of_chat(&self) -> ChatBody<'_> {
        ChatBody {
            error: ChatProblem { message: &self.message, kind: &self.kind, param: None, code: &self.kind },
        }
    }
}

/// Translates an error body.
pub(in super::super) fn translate(body: &[u8]) -> Option<Bytes> {
    let Body { error } = serde_json::from_slice(body).ok()?;
    serde_json::to_vec(&error.of_chat()).ok().map(Bytes::from)
}
