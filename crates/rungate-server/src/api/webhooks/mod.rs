//! Outgoing webhooks: `/webhooks`, and what was sent to them: `/webhooks/{id}/deliveries`, `/deliveries/{id}`.

pub mod create;
pub mod delete;
pub mod deliveries;
pub mod get;
pub mod list;
pub mod redeliver;
pub mod rotate;
pub mod rules;
pub mod test;
pub mod update;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::services::Services;

/// The routes of webhooks and deliveries.
pub fn routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/webhooks", get(list::list).post(create::create))
        .route("/webhooks/{id}", get(get::get).patch(update::update).delete(delete::delete))
        .route("/webhooks/{id}/rotate", post(rotate::rotate))
        .route("/webhooks/{id}/test", post(test::test))
        .route("/webhooks/{id}/deliveries", get(deliveries::list))
        .route("/deliveries/{id}/redeliver", post(redeliver::redeliver))
}
