//! OpenAI's errors in Anthropic's shape. The type is Anthropic's; OpenAI's code, or its type where it has no code, stays
//! beside it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `{"error": {…}}`
#[derive(Debug, Deserialize)]
struct Body {
    error: Problem,
}

#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    message: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    /// A text at OpenAI, often the status as a number elsewhere.
    code: Option<Value>,
}

#[derive(Debug, Serialize)]
pub(super) struct MessagesBody {
    #[serde(rename = "type")]
    kind: &'static str,
    error: MessagesProblem,
}

#[derive(Debug, Serialize)]
struct MessagesProblem {
    #[serde(rename = "type")]
    kind: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl Problem {
    fn code(&self) -> Option<String> {
        match &self.code {
            Some(Value::String(code)) => Some(code.clone()),
            Some(Value::Number(code)) => Some(code.to_string()),
            _ => self.kind.clone(),
        }
    }

    /// The body for an error inside a stream, which has no status of its own.
    pub(super) fn in_stream(self) -> MessagesBody {
        let status = self.code.as_ref().and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let kind = match status {
            Some(status @ 400..600) => kind_of_status(status),
            _ => kind_of_code(
                self.code().as_deref().unwrap_or_default(),
                self.kind.as_deref().unwrap_or_default(),
            ),
        };
        self.with_kind(kind)
    }

    fn with_kind(self, kind: &'static str) -> MessagesBody {
        let code = self.code();
        MessagesBody { kind: "error", error: MessagesProblem { kind, message: self.message, code } }
    }
}

/// Translates an error body.
pub(in super::super) fn translate(status: u16, body: &[u8]) -> Option<Bytes> {
    let Body { error } = serde_json::from_slice(body).ok()?;
    serde_json::to_vec(&error.with_kind(kind_of_status(status))).ok().map(Bytes::from)
}

const fn kind_of_status(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

fn kind_of_code(code: &str, kind: &str) -> &'static str {
    match (code, kind) {
        ("rate_limit_exceeded" | "insufficient_quota", _) | (_, "rate_limit_error") => "rate_limit_error",
        (_, "invalid_request_error") => "invalid_request_error",
        (_, "overloaded_error") => "overloaded_error",
        _ => "api_error",
    }
}
