//! The routes for operators: health, metrics, the API document, the front page.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Response, StatusCode};
use rungate_core::code::Code;
use rungate_core::secret::Secret;
use rungate_gateway::body::Body;
use rungate_gateway::refusal::Refusal;
use subtle::ConstantTimeEq as _;

use crate::http::health::{Components, Health, readiness};
use crate::http::plane::text;

/// What the routes show, asked anew for each request.
pub trait Instruments: Send + Sync {
    /// The state of what readiness speaks of.
    fn components(&self) -> Components;

    /// All metrics as Prometheus text.
    fn metrics(&self) -> String;
}

/// How metrics are served.
#[derive(Debug, Clone)]
pub enum MetricsAccess {
    /// Not at all.
    Off,
    /// To everybody.
    Open,
    /// To who knows the token.
    Token(Secret),
}

/// The routes for operators.
pub struct Operations {
    /// Where the server is in its life.
    pub health: Arc<Health>,
    /// What is shown.
    pub instruments: Arc<dyn Instruments>,
    /// Who may read metrics.
    pub metrics: MetricsAccess,
    /// The API document.
    pub openapi: Bytes,
}

/// A route for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// `/`
    Front,
    /// `/healthz`
    Health,
    /// `/readyz`
    Ready,
    /// `/metrics`
    Metrics,
    /// `/openapi.json`
    OpenApi,
}

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";

const FRONT: &str = "Rungate: the gateway every AI agent run goes through.

  Models      /v1           point an OpenAI or Anthropic SDK here, with a virtual key (vk-...)
  Control     /api/v1       agents, keys, requests, runs; with a personal access token (pat_ws...)
  API         /openapi.json
  Health      /healthz  /readyz  /metrics

The first start printed the owner token. Lost it? Stop the server and run: rungate owner-token reset
";

impl Page {
    /// The page at a path.
    pub fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/" => Self::Front,
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/openapi.json" => Self::OpenApi,
            _ => return None,
        })
    }
}

impl Operations {
    /// Answers a request for a page; the refusal is rendered by the edge.
    pub fn answer(
        &self,
        page: Page,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Refusal> {
        if method != Method::GET && method != Method::HEAD {
            return Err(Refusal::new(Code::MethodNotAllowed, "use GET"));
        }
        let mut response = match page {
            Page::Front => text("text/plain; charset=utf-8", FRONT),
            Page::Health => text(JSON, r#"{"status":"ok","components":{"process":{"status":"ok"}}}"#),
            Page::Ready => self.ready(),
            Page::Metrics => self.metrics(headers)?,
            Page::OpenApi => text(JSON, self.openapi.clone()),
        };
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    fn ready(&self) -> Response<Body> {
        let (ready, body) = readiness(&self.health, self.instruments.components());
        let mut response = text(JSON, body.to_string());
        if !ready {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    }

    fn metrics(&self, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
        match &self.metrics {
            MetricsAccess::Off => return Err(Refusal::new(Code::UnknownRoute, "metrics are switched off")),
            MetricsAccess::Open => {}
            MetricsAccess::Token(token) => {
                let sent = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
                let sent = sent.strip_prefix(b"Bearer ").unwrap_or(sent);
                if !bool::from(sent.ct_eq(token.expose().as_bytes())) {
                    return Err(Refusal::new(Code::AuthenticationFailed, "metrics want their token"));
                }
            }
        }
        Ok(text(METRICS_TYPE, self.instruments.metrics()))
    }
}

/// Adds what goes with a refusal of a page.
pub fn complete(response: &mut Response<Body>) {
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
        }
        StatusCode::UNAUTHORIZED => {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        _ => {}
    }
}
