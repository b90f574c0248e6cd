//! Price catalogues of the installation: `/price-snapshots`. They are the same for every workspace; whoever runs the
//! installation stores them and says which is in force.

pub mod activate;
pub mod create;
pub mod diff;
pub mod get;
pub mod list;
pub mod named;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::services::Services;

/// The routes of price snapshots. A snapshot is never changed or deleted, so that every cost can be explained for ever.
pub fn routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/price-snapshots", get(list::list).post(create::create))
        .route("/price-snapshots/diff", get(diff::diff))
        .route("/price-snapshots/{id}", get(get::get))
        .route("/price-snapshots/{id}/activate", post(activate::activate))
}
