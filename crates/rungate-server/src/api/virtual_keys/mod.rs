//! Virtual keys: `/virtual-keys`.

pub mod create;
pub mod delete;
pub mod expiry;
pub mod get;
pub mod list;
pub mod owner;
pub mod revoke;
pub mod rotate;
pub mod update;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::json::{Later, later};
use crate::services::Services;

/// The routes of virtual keys. There is no `/reveal`: a token is kept as a hash alone.
pub fn routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/virtual-keys", get(list::list).post(create::create))
        .route("/virtual-keys/{id}", get(get::get).patch(update::update).delete(delete::delete))
        .route("/virtual-keys/{id}/revoke", post(revoke::revoke))
        .route("/virtual-keys/{id}/rotate", post(rotate::rotate))
}

/// Documented fields of a virtual key whose effect comes with budgets, limits and workflows.
const LATER: &[Later] = &[later("budgetCents"), later("budgetNanoUsd"), later("allowedWorkflows")];
