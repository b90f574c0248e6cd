//! Which plane a path belongs to, and the plane's shape of the errors that the edge makes itself.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use rungate_core::code::Code;
use rungate_core::id::ExchangeId;
use rungate_core::operation::Dialect;
use rungate_gateway::body::Body;
use rungate_gateway::refusal::{ERROR_CODE, Refusal};
use serde_json::json;

use crate::v1;
use crate::v1::error::capitals;

/// A part of the paths with its own shape of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// The data plane, paid endpoints, and what belongs to nobody.
    Data(Dialect),
    /// The run API.
    Run,
    /// `/api/…` and `/v1/analytics/…`.
    Control,
}

impl Plane {
    /// The plane of a path.
    pub fn of(path: &str) -> Self {
        if within(path, "/api") || within(path, "/v1/analytics") {
            Self::Control
        } else if v1::PATHS.iter().any(|known| within(path, known)) {
            Self::Run
        } else if within(path, "/v1/messages") {
            Self::Data(Dialect::Anthropic)
        } else {
            Self::Data(Dialect::OpenAi)
        }
    }

    /// The code of a path that does not exist.
    pub const fn unknown_path(self) -> Code {
        match self {
            Self::Data(_) => Code::UnknownRoute,
            Self::Run | Self::Control => Code::NotFound,
        }
    }

    /// The refusal in the plane's shape.
    pub fn respond(self, refusal: &Refusal, id: ExchangeId) -> Response<Body> {
        match self {
            Self::Data(dialect) => refusal.respond(dialect, id),
            Self::Run => run(refusal, id),
            Self::Control => control(refusal, id),
        }
    }
}

fn within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The run API's body: codes in capitals.
fn run(refusal: &Refusal, id: ExchangeId) -> Response<Body> {
    let mut response = refusal.respond(Dialect::OpenAi, id);
    let code = capitals(refusal.code);
    let error =
        json!({ "message": refusal.message, "type": v1::error::kind(refusal.code.status()), "code": code });
    *response.body_mut() = Body::from(Bytes::from(json!({ "error": error }).to_string()));
    if let Ok(code) = HeaderValue::from_str(&code) {
        response.headers_mut().insert(ERROR_CODE, code);
    }
    response
}

/// The control plane's envelope. The number in it is the status and two digits; the edge's own errors are the first of
/// their status.
fn control(refusal: &Refusal, id: ExchangeId) -> Response<Body> {
    let mut response = refusal.respond(Dialect::OpenAi, id);
    let status = response.status();
    let envelope = json!({
        "code": u32::from(status.as_u16()) * 100,
        "message": refusal.message,
        "data": null,
        "error": {
            "type": kind(status),
            "code": refusal.code.as_str(),
            "field": refusal.param,
            "details": refusal.details,
        },
    });
    *response.body_mut() = Body::from(Bytes::from(envelope.to_string()));
    response
}

const fn kind(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::SERVICE_UNAVAILABLE => "UNAVAILABLE",
        StatusCode::INTERNAL_SERVER_ERROR => "INTERNAL",
        _ => "BAD_REQUEST",
    }
}

/// A response with a text of the given type.
pub fn text(content_type: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(text.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The code that an error response names.
pub fn code_of<B>(response: &Response<B>) -> Option<Code> {
    let text = response.headers().get(ERROR_CODE)?.to_str().ok()?;
    Code::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_belong_to_planes() {
        for (path, plane) in [
            ("/api/v1/agents", Plane::Control),
            ("/api", Plane::Control),
            ("/apis", Plane::Data(Dialect::OpenAi)),
            ("/v1/analytics/request-logs/x", Plane::Control),
            ("/v1/messages/batches", Plane::Data(Dialect::Anthropic)),
            ("/v1/messagesx", Plane::Data(Dialect::OpenAi)),
            ("/x402/offer", Plane::Data(Dialect::OpenAi)),
        ] {
            assert_eq!(Plane::of(path), plane, "{path}");
        }
    }
}
