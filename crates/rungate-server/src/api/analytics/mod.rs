//! What clients of the older log reader ask for: `/v1/analytics`.

pub mod health;
pub mod request_log;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::services::Services;

/// The routes under `/v1/analytics`.
pub fn routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/health", get(health::health))
        .route("/request-logs/{id}", get(request_log::request_log))
}
