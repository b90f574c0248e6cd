//! Sums over exchanges by time and by what they have in common: `/analytics/rollup`, `/analytics/rollup-properties`.

pub mod get;
pub mod properties;
pub mod query;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::services::Services;

/// The routes of roll-ups.
pub fn routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/analytics/rollup", get(get::get))
        .route("/analytics/rollup-properties", get(properties::get).put(properties::put))
}
