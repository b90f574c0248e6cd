//! Refusals and failures, and the one place where they become answers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use rungate_core::code::{Code, WireType};
use rungate_core::id::ExchangeId;
use rungate_core::operation::Dialect;
use serde_json::{Value, json};

use crate::body::Body;

/// Names the error on every answer that is one.
pub const ERROR_CODE: HeaderName = HeaderName::from_static("rungate-error-code");
/// As `retry-after`, on 429.
const RATE_LIMIT_AFTER: HeaderName = HeaderName::from_static("x-ratelimit-after");
/// Tells SDKs not to send the same request again.
pub const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// For people.
    pub message: String,
    /// The parameter or header at fault.
    pub param: Option<String>,
    /// Machine-readable particulars.
    pub details: Option<Value>,
    /// Seconds after which it is worth trying again.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal with nothing but its code and message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let retry_after = match code {
            Code::BudgetUnavailable
            | Code::PolicyUnavailable
            | Code::JournalUnavailable
            | Code::Overloaded
            | Code::Unavailable => Some(1),
            _ => None,
        };
        Self { code, message: message.into(), param: None, details: None, retry_after }
    }

    /// Names the parameter or header at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Adds particulars.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// The answer, in the wire format that the client speaks.
    pub fn respond(&self, dialect: Dialect, id: ExchangeId) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body(dialect, id)));
        *response.status_mut() =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ERROR_CODE, HeaderValue::from_static(self.code.as_str()));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            if self.code.status() == 429 {
                headers.insert(RATE_LIMIT_AFTER, HeaderValue::from(seconds));
            }
        }
        if !self.code.retryable() && matches!(self.code.status(), 408 | 409 | 429 | 500..) {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response
    }

    /// The body of the answer.
    pub fn body(&self, dialect: Dialect, id: ExchangeId) -> Bytes {
        self.body_for_status(dialect, id, self.code.status())
    }

    /// The body of the answer under a status that is not the code's own: a relayed one.
    pub fn body_for_status(&self, dialect: Dialect, id: ExchangeId, status: u16) -> Bytes {
        let mut error = match dialect {
            Dialect::OpenAi => json!({
                "message": self.message,
                "type": openai_type(self.code, status),
                "param": self.param,
                "code": self.code.as_str(),
            }),
            Dialect::Anthropic => json!({
                "type": anthropic_type(self.code, status),
                "message": self.message,
                "code": self.code.as_str(),
            }),
        };
        if let Some(details) = &self.details {
            error["details"] = details.clone();
        }
        let body = match dialect {
            Dialect::OpenAi => json!({ "error": error }),
            Dialect::Anthropic => json!({ "type": "error", "error": error, "request_id": id }),
        };
        Bytes::from(body.to_string())
    }
}

/// The error types of the OpenAI wire format: the code's own, or the one of a relayed status.
fn openai_type(code: Code, status: u16) -> &'static str {
    match status {
        _ if status == code.status() => code.wire_type(),
        429 => WireType::RateLimit,
        400..500 => WireType::InvalidRequest,
        _ => WireType::Server,
    }
    .as_str()
}

/// The error types of the Anthropic wire format.
fn anthropic_type(code: Code, status: u16) -> &'static str {
    match (status, code.wire_type()) {
        (401, _) => "authentication_error",
        (403, _) => "permission_error",
        (404, _) => "not_found_error",
        (413, _) => "request_too_large",
        (429, _) => "rate_limit_error",
        (503, _) => "overloaded_error",
        (500.., _) | (_, WireType::Server) => "api_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_006_each_dialect_has_its_body() {
        let id = ExchangeId::new(uuid::Uuid::nil());
        let refusal = Refusal::new(Code::ModelRequired, "name a model").param("model");
        let body: Value = serde_json::from_slice(&refusal.body(Dialect::OpenAi, id)).unwrap();
        let error = json!({"message": "name a model", "type": "invalid_request_error", "param": "model", "code": "model_required"});
        assert_eq!(body, json!({ "error": error }));
        let body: Value = serde_json::from_slice(&refusal.body(Dialect::Anthropic, id)).unwrap();
        assert_eq!(body["type"], "error");
        assert_eq!(body["error"]["type"], "invalid_request_error");
        assert_eq!(body["request_id"], id.to_string());
    }

    #[test]
    fn what_retrying_cannot_mend_says_so() {
        let id = ExchangeId::new(uuid::Uuid::nil());
        let response = Refusal::new(Code::ProviderAuthFailed, "x").respond(Dialect::OpenAi, id);
        assert_eq!(response.headers()[SHOULD_RETRY], "false");
        let response = Refusal::new(Code::JournalUnavailable, "x").respond(Dialect::OpenAi, id);
        assert!(response.headers().get(SHOULD_RETRY).is_none());
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }
}
