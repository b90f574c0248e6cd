//! Models: `/models`.

pub mod list;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::services::Services;

/// The routes of models.
pub fn routes() -> Router<Arc<Services>> {
    Router::new().route("/models", get(list::list))
}
