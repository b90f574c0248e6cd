//! Prices: overrides of a workspace at `/model-prices`, and the catalogue's snapshot at `/price-snapshots`.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod snapshot;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::services::Services;

/// The routes of prices. A price is never changed: a later one takes its place, so that what was charged can be
/// explained for ever.
pub fn routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/model-prices", get(list::list).post(create::create))
        .route("/model-prices/{id}", get(get::get).delete(delete::delete))
        .route("/price-snapshots/{id}", get(snapshot::get))
}
