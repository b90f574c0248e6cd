//! Checks of actions: `/checks`.

pub mod get;
pub mod resolve;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::services::Services;

/// The routes of checks.
pub fn routes() -> Router<Arc<Services>> {
    Router::new().route("/checks/{id}", get(get::get)).route("/checks/{id}/resolve", post(resolve::resolve))
}
