//! `GET /requests/{id}/bodies`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rungate_core::exchange::Body;
use rungate_core::ports::Bodies;
use serde::Serialize;
use utoipa::ToSchema;

use super::find;
use super::fresh::caught_up_about;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Name;
use crate::services::Services;

/// How a body stands in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum Encoding {
    /// As the text it is.
    #[serde(rename = "utf-8")]
    Utf8,
    /// In base64, because it is no text.
    #[serde(rename = "base64")]
    Base64,
}

/// The bodies of a request, byte for byte as far as they were kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BodiesView {
    /// What the client sent, as text (JSON is not taken apart); null when it was not kept.
    pub request: Option<String>,
    /// How `request` is to be read.
    pub request_encoding: Option<Encoding>,
    /// What the client got, as text; of a stream, its events. Null when it was not kept.
    pub response: Option<String>,
    /// How `response` is to be read.
    pub response_encoding: Option<Encoding>,
    /// Whether something was masked.
    pub redacted: bool,
    /// Whether a body was longer than what is kept.
    pub truncated: bool,
}

impl From<Bodies> for BodiesView {
    fn from(Bodies { request, response }: Bodies) -> Self {
        let kept = [&request, &response];
        let redacted = kept.iter().any(|body| body.as_ref().is_some_and(|body| body.redacted));
        let truncated = kept.iter().any(|body| body.as_ref().is_some_and(|body| body.truncated));
        let (request, request_encoding) = request.map(|body| text(&body)).unzip();
        let (response, response_encoding) = response.map(|body| text(&body)).unzip();
        Self { request, request_encoding, response, response_encoding, redacted, truncated }
    }
}

fn text(body: &Body) -> (String, Encoding) {
    match std::str::from_utf8(&body.bytes) {
        Ok(text) => (text.to_owned(), Encoding::Utf8),
        // Text that was cut within a character is still text.
        Err(error) if body.truncated && error.error_len().is_none() => {
            (String::from_utf8_lossy(&body.bytes[..error.valid_up_to()]).into_owned(), Encoding::Utf8)
        }
        Err(_) => (STANDARD.encode(&body.bytes), Encoding::Base64),
    }
}

/// Read the bodies of a request, as far as they were kept.
#[utoipa::path(get, path = "/api/v1/requests/{id}/bodies", tag = "Requests",
    params(("id" = String, Path, description = "Our id, or an x-request-id")),
    responses((status = 200, body = Envelope<BodiesView>)))]
pub async fn bodies(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(id): Name,
) -> Result<Response, ApiError> {
    caught_up_about(&services, &id).await;
    let (row, _) = find::require(&services, caller.workspace, &id).await?;
    let bodies = services.log.bodies(caller.workspace, row.record.id).await?;
    Ok(ok(BodiesView::from(bodies.ok_or_else(find::not_found)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_text_where_they_can_be() {
        let body = |bytes: &'static [u8], truncated| Body { bytes: bytes.into(), truncated, redacted: false };
        assert_eq!(text(&body("héé".as_bytes(), false)), ("héé".to_owned(), Encoding::Utf8));
        assert_eq!(text(&body(b"h\xc3", true)), ("h".to_owned(), Encoding::Utf8));
        assert_eq!(text(&body(b"h\xc3", false)), ("aMM=".to_owned(), Encoding::Base64));
        assert_eq!(text(&body(b"\xff\xfe", true)), ("//4=".to_owned(), Encoding::Base64));
    }
}
