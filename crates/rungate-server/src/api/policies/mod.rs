//! Policies at `/policies`: what is allowed, limited, masked and kept.

pub mod activate;
pub mod create;
pub mod delete;
mod draft;
pub mod evaluate;
pub mod get;
pub mod list;
pub mod replay;
pub mod rules;
pub mod update;
pub mod versions;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::services::Services;

/// The routes of policies.
pub fn routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/policies", get(list::list).post(create::create))
        .route("/policies/evaluate", post(evaluate::evaluate))
        .route("/policies/{id}", get(get::get).patch(update::update).delete(delete::delete))
        .route("/policies/{id}/versions", get(versions::versions))
        .route("/policies/{id}/replay", post(replay::replay))
        .route("/policies/{id}/activate", post(activate::activate))
}
