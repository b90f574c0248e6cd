//! How much a workspace, an agent, a key, a session or a run may spend, at `/budgets`.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod terms;
pub mod update;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::services::Services;

/// The routes of budgets.
pub fn routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/budgets", get(list::list).post(create::create))
        .route("/budgets/{id}", get(get::get).patch(update::update).delete(delete::delete))
}
