//! Prices of a workspace's own at `/model-prices`, which price a request is charged at, and what requests would have cost
//! at others.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod reprice;
pub mod resolve;
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
        .route("/model-prices/resolve", get(resolve::resolve))
        .route("/model-prices/reprice", get(reprice::reprice))
        .route("/model-prices/{id}", get(get::get).delete(delete::delete))
}
