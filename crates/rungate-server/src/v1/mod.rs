//! The run API: agents register their runs, report what they do, and say when they are done.
//!
//! Reading order: what every route shares (`error`, `caller`, `fields`, `content`), then the routes, each a file.

mod caller;
mod check;
mod content;
mod end;
pub mod error;
mod event;
mod fields;
mod register;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use rungate_check::schema::Schemas;
use rungate_gateway::limit::Limiter;
use rungate_gateway::registrar::Registrar;

use crate::services::Services;

/// Memory for the counts of the run API's own rate limits.
const LIMITER_BYTES: usize = 8 << 20;

/// Paths of the run API.
pub const PATHS: [&str; 4] = ["/v1/register-agent-run", "/v1/event", "/v1/check", "/v1/end-agent-run"];

/// What the routes work with.
pub struct RunApi {
    services: Arc<Services>,
    registrar: Registrar,
    limiter: Limiter,
    schemas: Schemas,
}

/// The routes of the run API.
pub fn router(services: Arc<Services>, registrar: Registrar) -> Router {
    let api =
        RunApi { services, registrar, limiter: Limiter::new(LIMITER_BYTES), schemas: Schemas::default() };
    Router::new()
        .route("/v1/register-agent-run", post(register::register))
        .route("/v1/event", post(event::event))
        .route("/v1/check", post(check::check))
        .route("/v1/check/{id}", get(check::outcome))
        .route("/v1/end-agent-run", post(end::end))
        .with_state(Arc::new(api))
}
