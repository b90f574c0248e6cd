//! The errors of the run API: `{"error": {"message", "type", "code"}}`, with codes in capitals.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use rungate_core::code::Code;
use rungate_core::ports::StoreError;
use rungate_gateway::refusal::{ERROR_CODE, Refusal};
use rungate_gateway::trail::TrailError;
use serde_json::{Value, json};

use crate::api::error::ApiError;

/// Why a request of the run API failed.
#[derive(Debug)]
pub struct RunError {
    code: Code,
    message: String,
    retry_after: Option<u64>,
}

impl RunError {
    /// An error.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    /// The answer to a trace that there is not, here or at all.
    pub fn unknown_trace() -> Self {
        Self::new(Code::TraceNotFound, "Unknown trace_id")
    }

    /// When it may go better.
    pub fn retry_after(mut self, seconds: Option<u64>) -> Self {
        self.retry_after = seconds;
        self
    }

    /// Its status.
    pub const fn status(&self) -> u16 {
        self.code.status()
    }

    /// What stands under `error`.
    pub fn to_json(&self) -> Value {
        json!({ "message": self.message, "type": kind(self.code.status()), "code": capitals(self.code) })
    }
}

impl IntoResponse for RunError {
    fn into_response(self) -> Response {
        respond(&self, &json!({ "error": self.to_json() }))
    }
}

/// An answer with an error's status and headers, and a body that says more.
pub fn respond(error: &RunError, body: &Value) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    if let Ok(code) = HeaderValue::from_str(&capitals(error.code)) {
        headers.insert(ERROR_CODE, code);
    }
    let retry_after = error.retry_after.or_else(|| (error.status() == 503).then_some(1));
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The code of the control plane that means the same here.
impl From<ApiError> for RunError {
    fn from(error: ApiError) -> Self {
        let code = match error.code() {
            Code::AuthenticationFailed | Code::TokenRevoked | Code::TokenExpired => Code::InvalidApiKey,
            Code::InvalidWorkspaceId => Code::InvalidHeader,
            Code::InsufficientScope => Code::InsufficientPermissions,
            code => code,
        };
        Self::new(code, error.message().to_owned())
    }
}

impl From<Refusal> for RunError {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.message)
    }
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => {
                tracing::warn!(%reason, "request of the run API failed: the store is unavailable");
                Self::new(Code::Unavailable, "What the run did before cannot be read now; try again.")
            }
            StoreError::Corrupt(reason) => {
                tracing::error!(%reason, "request of the run API failed: stored data is damaged");
                Self::new(Code::InternalError, "Internal error")
            }
        }
    }
}

impl From<TrailError> for RunError {
    fn from(error: TrailError) -> Self {
        match error {
            TrailError::IdConflict => Self::new(Code::EventIdConflict, "event_id is taken by another event"),
            TrailError::EndedBefore(status) => {
                Self::new(Code::RunAlreadyEnded, format!("The run was ended as {} before", status.as_str()))
            }
            TrailError::Journal(error) => {
                tracing::warn!(%error, "request of the run API refused: nothing can be recorded");
                Self::new(Code::Unavailable, "Nothing can be recorded now; try again.")
            }
            TrailError::Store(error) => error.into(),
            TrailError::Ended(status) => {
                let message =
                    format!("The run was ended as {}; nothing is checked any more", status.as_str());
                Self::new(Code::RunEnded, message)
            }
            TrailError::TooMuch(error) => Self::new(Code::InvalidContent, format!("content {error}")),
            TrailError::ApprovalMismatch => {
                Self::new(Code::ApprovalMismatch, "approval_id is of another action, or of none")
            }
            TrailError::ApprovalUsed => {
                Self::new(Code::ApprovalUsed, "The approval was used before; ask again without it")
            }
            error @ (TrailError::NotHeld | TrailError::ResolvedBefore(_)) => {
                Self::new(Code::CheckNotFound, error.to_string())
            }
        }
    }
}

/// A code as the run API writes it.
pub fn capitals(code: Code) -> String {
    code.as_str().to_ascii_uppercase()
}

/// The type that goes with a status.
pub const fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "validation_error",
    }
}
