//! Requests: `/requests`, also known as `/logs`. What other views of the log need lies here too: reading filters,
//! finding a request by either id, waiting for the journal.

pub mod bodies;
pub mod filter;
pub mod find;
pub mod fresh;
pub mod get;
pub mod list;
pub mod query;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::services::Services;

/// The routes of requests.
pub fn routes() -> Router<Arc<Services>> {
    ["/requests", "/logs"].iter().fold(Router::new(), |router, base| {
        router
            .route(base, get(list::list))
            .route(&format!("{base}/{{id}}"), get(get::get))
            .route(&format!("{base}/{{id}}/bodies"), get(bodies::bodies))
    })
}
