//! Personal access tokens: `/pats`. On the wire in snake_case, as the clients that read them expect.

pub mod create;
pub mod delete;
pub mod list;
pub mod update;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, patch};
use rungate_core::agent::Scope;
use rungate_core::time::Timestamp;

use super::error::ApiError;
use crate::services::Services;

/// The routes of personal access tokens.
pub fn routes() -> Router<Arc<Services>> {
    Router::new()
        .route("/pats", get(list::list).post(create::create))
        .route("/pats/{id}", patch(update::update).delete(delete::delete))
}

/// A token gives no more than its maker has.
fn check_scopes(scopes: &[Scope], own: Scope) -> Result<(), ApiError> {
    match scopes.iter().max() {
        None => Err(ApiError::field("scopes", "length", "must name at least one of read, write, admin")),
        Some(widest) if *widest > own => Err(ApiError::field(
            "scopes",
            "range",
            format!("must not exceed your own scope {}", own.as_str()),
        )),
        Some(_) => Ok(()),
    }
}

fn check_expiry(at: Option<Timestamp>, now: Timestamp) -> Result<(), ApiError> {
    match at {
        Some(at) if at <= now => Err(ApiError::field("expires_at", "range", "must be in the future")),
        _ => Ok(()),
    }
}
