//! The shapes that answers of the control plane come in.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::error::{ApiError, FieldError};

/// An answer that succeeded.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Envelope<T> {
    /// Always 0.
    pub code: u32,
    /// Always `ok`.
    pub message: &'static str,
    /// What was asked for.
    pub data: T,
}

impl<T> Envelope<T> {
    /// Wraps `data`.
    pub const fn of(data: T) -> Self {
        Self { code: 0, message: "ok", data }
    }
}

/// 200 with `data` in the envelope.
pub fn ok<T: Serialize>(data: T) -> Response {
    Json(Envelope::of(data)).into_response()
}

/// 204.
pub fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// The envelope whose data also stands at the top level, for clients that read it there.
pub fn superset(data: Value) -> Value {
    let mut body = match &data {
        Value::Object(fields) => Value::Object(fields.clone()),
        _ => json!({}),
    };
    body["code"] = json!(0);
    body["message"] = json!("ok");
    body["data"] = data;
    body
}

/// `value` as JSON. Wire types hold nothing that JSON cannot, so a failure is our fault.
pub fn to_json<T: Serialize>(value: &T) -> Result<Value, ApiError> {
    serde_json::to_value(value).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written as JSON");
        ApiError::new(rungate_core::code::Code::InternalError, "internal error")
    })
}

/// An answer that failed, for the API description.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorEnvelope {
    /// The status followed by two digits, such as 40401.
    pub code: u32,
    /// For people; may change.
    pub message: String,
    /// Always null.
    #[schema(value_type = Option<Object>)]
    pub data: Option<Value>,
    /// What went wrong, for programs.
    pub error: ErrorBody,
}

/// What went wrong, for programs.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The class of the error, such as `BAD_REQUEST`.
    pub r#type: String,
    /// The stable symbolic code, also in the `rungate-error-code` header.
    pub code: String,
    /// The field or header at fault.
    pub field: Option<String>,
    /// Further particulars.
    pub details: Option<ErrorDetails>,
}

/// Further particulars of an error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetails {
    /// Every field that breaks a rule.
    pub fields: Vec<FieldError>,
}
