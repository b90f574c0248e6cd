//! Budgets: `/budgets`, and the workspace's own at `/policies/budget-control`.

pub mod attached;
pub mod control;
pub mod create;
pub mod delete;
pub mod figures;
pub mod get;
pub mod list;
pub mod owned;
pub mod rules;
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
        .route("/policies/budget-control", get(control::get).put(control::put))
}
