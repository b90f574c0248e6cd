//! `GET /v1/analytics/health`

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::api::envelope::{Envelope, superset};

/// That the reader answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReaderHealth {
    /// Always `ok`.
    pub status: &'static str,
}

/// Whether the log reader answers. Without a credential.
#[utoipa::path(get, path = "/v1/analytics/health", tag = "Analytics", security(()),
    responses((status = 200, body = Envelope<ReaderHealth>)))]
pub async fn health() -> Response {
    Json(superset(json!(ReaderHealth { status: "ok" }))).into_response()
}
