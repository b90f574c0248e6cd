//! Members: `/members`. A first start makes one, the owner; inviting people comes later.

pub mod list;
pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::services::Services;

/// The routes of members.
pub fn routes() -> Router<Arc<Services>> {
    Router::new().route("/members", get(list::list))
}
