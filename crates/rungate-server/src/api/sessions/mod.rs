//! Sessions: `/sessions`.

pub mod get;
pub mod list;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::services::Services;

/// The routes of sessions.
pub fn routes() -> Router<Arc<Services>> {
    Router::new().route("/sessions", get(list::list)).route("/sessions/{id}", get(get::get))
}
