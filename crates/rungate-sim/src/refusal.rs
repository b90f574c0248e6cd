//! Errors, in the shape of the provider whose dialect is spoken.

use http::StatusCode;
use serde_json::{Value, json};

use crate::event::Event;
use crate::route::Dialect;

/// Why a request is not answered.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    pub message: String,
    /// OpenAI's `param`.
    pub param: Option<&'static str>,
    /// OpenAI's `code`, where it is not what the status implies.
    pub code: Option<&'static str>,
    /// The `retry-after` header in seconds.
    pub retry_after: Option<u64>,
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None, retry_after: None }
    }

    /// A 400 about one field.
    pub fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        Self { param: Some(param), ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    pub fn with_code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The error body of `dialect`.
    pub fn body(&self, dialect: Dialect, request_id: &str) -> Value {
        match dialect {
            Dialect::OpenAi => json!({"error": {
                "message": self.message,
                "type": self.openai_type(),
                "param": self.param,
                "code": self.code.or_else(|| openai_code(self.status)),
            }}),
            Dialect::Anthropic => json!({
                "type": "error",
                "error": {"type": anthropic_type(self.status), "message": self.message},
                "request_id": request_id,
            }),
        }
    }

    fn openai_type(&self) -> &'static str {
        match self.status.as_u16() {
            _ if self.code == Some("insufficient_quota") => "insufficient_quota",
            402 => "insufficient_quota",
            403 => "permission_error",
            429 => "requests",
            500.. => "server_error",
            _ => "invalid_request_error",
        }
    }
}

fn openai_code(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        401 => Some("invalid_api_key"),
        402 => Some("billing_hard_limit_reached"),
        429 => Some("rate_limit_exceeded"),
        _ => None,
    }
}

fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// The error event of streams whose events have no names.
pub(crate) fn unnamed_error_event() -> Event {
    Event::data(&json!({"error": {
        "message": "The server had an error while processing your request. Sorry about that!",
        "type": "server_error",
        "param": null,
        "code": null,
    }}))
}
