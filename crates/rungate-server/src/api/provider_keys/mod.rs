//! Provider keys: `/provider-keys`, also known as `/master-keys`.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod rotate;
pub mod rules;
pub mod update;
pub mod verify;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::services::Services;

/// The routes of provider keys.
pub fn routes() -> Router<Arc<Services>> {
    ["/provider-keys", "/master-keys"].iter().fold(Router::new(), |router, base| {
        router
            .route(base, get(list::list).post(create::create))
            .route(&format!("{base}/{{id}}"), get(get::get).patch(update::update).delete(delete::delete))
            .route(&format!("{base}/{{id}}/rotate"), post(rotate::rotate))
            .route(&format!("{base}/{{id}}/verify"), post(verify::verify))
    })
}
