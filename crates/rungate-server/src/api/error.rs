//! Refusals and failures of the control plane, and the one place where they become answers.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use rungate_core::code::Code;
use rungate_core::ports::{CatalogError, StoreError};
use rungate_gateway::refusal::ERROR_CODE;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Why a control request is not carried out.
#[derive(Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    message: String,
    field: Option<String>,
    details: Value,
}

/// One broken rule of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Path of the field, such as `settings.retentionDays`.
    pub field: String,
    /// The rule's stable name, such as `length`.
    pub rule: &'static str,
    /// What is allowed, for people.
    pub message: String,
}

impl FieldError {
    /// Names a field, the rule it breaks and what is allowed.
    pub fn new(field: impl Into<String>, rule: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), rule, message: message.into() }
    }
}

impl ApiError {
    /// An error with nothing but its code and message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { code, message: message.into(), field: None, details: Value::Null }))
    }

    /// 400 for fields that break their rules; there must be at least one.
    pub fn fields(errors: &[FieldError]) -> Self {
        let message = match errors {
            [one] => format!("{}: {}", one.field, one.message),
            many => format!("{} fields break their rules", many.len()),
        };
        let field = errors.first().map(|first| first.field.clone());
        Self(Box::new(Inner {
            code: Code::InvalidRequest,
            message,
            field,
            details: json!({ "fields": errors }),
        }))
    }

    /// 400 for one field that breaks a rule.
    pub fn field(field: impl Into<String>, rule: &'static str, message: impl Into<String>) -> Self {
        Self::fields(&[FieldError::new(field, rule, message)])
    }

    /// 400 for a field whose effect this version does not have.
    pub fn not_supported_yet(field: &str) -> Self {
        let message =
            format!("{field} has no effect in this version yet, so it is refused rather than ignored");
        Self::new(Code::NotSupportedYet, message.clone())
            .at(field)
            .details(json!({ "fields": [FieldError::new(field, "not_supported_yet", message)] }))
    }

    /// 404 for something that is not in the caller's workspace.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("{what} not found"))
    }

    /// Names the field at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Adds particulars.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.0.details = details;
        self
    }

    /// What is said of it.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Its stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => {
                tracing::warn!(%reason, "control request failed: the store is unavailable");
                Self::new(Code::Unavailable, "the store is unavailable; try again")
            }
            StoreError::Corrupt(reason) => {
                tracing::error!(%reason, "control request failed: stored data is damaged");
                Self::new(Code::InternalError, "internal error")
            }
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::VersionConflict => {
                Self::new(Code::VersionConflict, "somebody else changed this first; read it again")
            }
            CatalogError::AlreadyExists(name) => {
                Self::new(Code::AlreadyExists, format!("this {name} is taken"))
            }
            CatalogError::NotFound => Self::new(Code::NotFound, "not found"),
            CatalogError::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Inner { code, message, field, details } = *self.0;
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({
            "code": number(code),
            "message": message,
            "data": null,
            "error": { "type": error_type(code), "code": code.as_str(), "field": field, "details": details },
        });
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().insert(ERROR_CODE, HeaderValue::from_static(code.as_str()));
        if code == Code::Unavailable {
            response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// The number of a code on the control plane: its status and two digits.
pub fn number(code: Code) -> u32 {
    let within_status = match code {
        Code::InvalidRequest
        | Code::AuthenticationFailed
        | Code::InsufficientScope
        | Code::RequestNotFound
        | Code::VersionConflict => 1,
        Code::InvalidJson | Code::TokenRevoked | Code::WorkspaceMismatch | Code::AlreadyExists => 2,
        Code::InvalidCursor | Code::TokenExpired | Code::IdempotencyConflict => 3,
        Code::WindowTooLong | Code::VirtualKeyNotAllowed | Code::InUse => 4,
        Code::InvalidHeader | Code::WebhookDisabled => 5,
        Code::UrlNotAllowed | Code::HoldResolved => 6,
        Code::NotSupportedYet => 7,
        Code::InvalidWorkspaceId => 11,
        Code::InvalidKeyId => 13,
        Code::InvalidEntityId => 14,
        _ => 0,
    };
    u32::from(code.status()) * 100 + within_status
}

fn error_type(code: Code) -> &'static str {
    match (code, code.status()) {
        (Code::TokenExpired, _) => "AUTH_TOKEN_EXPIRED",
        (_, 401) => "UNAUTHORIZED",
        (_, 403) => "FORBIDDEN",
        (_, 404) => "NOT_FOUND",
        (_, 409) => "CONFLICT",
        (_, 413) => "TOO_LARGE",
        (_, 429) => "RATE_LIMITED",
        (_, 503) => "UNAVAILABLE",
        (_, 500..) => "INTERNAL",
        _ => "BAD_REQUEST",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_numbers() {
        for (code, expected) in [
            (Code::InvalidRequest, 40001),
            (Code::InvalidJson, 40002),
            (Code::InvalidCursor, 40003),
            (Code::WindowTooLong, 40004),
            (Code::InvalidWorkspaceId, 40011),
            (Code::InvalidKeyId, 40013),
            (Code::InvalidEntityId, 40014),
            (Code::AuthenticationFailed, 40101),
            (Code::TokenRevoked, 40102),
            (Code::TokenExpired, 40103),
            (Code::InsufficientScope, 40301),
            (Code::WorkspaceMismatch, 40302),
            (Code::VirtualKeyNotAllowed, 40304),
            (Code::NotFound, 40400),
            (Code::RequestNotFound, 40401),
            (Code::MethodNotAllowed, 40500),
            (Code::VersionConflict, 40901),
            (Code::AlreadyExists, 40902),
            (Code::IdempotencyConflict, 40903),
            (Code::PayloadTooLarge, 41300),
            (Code::RateLimitExceeded, 42900),
            (Code::InternalError, 50000),
            (Code::Unavailable, 50300),
        ] {
            assert_eq!(number(code), expected, "{code}");
        }
    }
}
