//! Runs: `/runs`, and an agent's runs at `/agents/{id}/runs`.

pub mod end;
pub mod events;
pub mod find;
pub mod get;
pub mod list;
pub mod steps;
pub mod timeline;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::services::Services;

/// The routes of runs.
pub fn routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/runs", get(list::list))
        .route("/runs/{id}", get(get::get))
        .route("/runs/{id}/timeline", get(timeline::timeline))
        .route("/runs/{id}/events", get(events::events))
        .route("/runs/{id}/end", post(end::end))
        .route("/agents/{id}/runs", get(list::list_of_agent))
}
