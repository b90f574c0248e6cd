//! Forgetting what was said: `/erasures`.

pub mod create;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;

use crate::services::Services;

/// The routes of erasures.
pub fn routes() -> Router<Arc<Services>> {
    Router::new().route("/erasures", post(create::create))
}
