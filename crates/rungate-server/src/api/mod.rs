//! The control API under `/api/v1`: one folder per resource, one file per verb.
//!
//! Reading order: what every handler shares (`error`, `envelope`, `params`, `paging`, `auth`, `json`, `version`,
//! `resources`, `binding`, `idempotency`), then the resources, each of which imports only from those. Last the views of
//! the log: `requests`, then `runs`, `sessions`, `rollups` and `analytics`, which also use what `requests` has for all of them.

pub mod agents;
pub mod analytics;
pub mod auth;
pub mod binding;
pub mod budgets;
pub mod checks;
pub mod envelope;
pub mod erasures;
pub mod error;
pub mod idempotency;
pub mod json;
pub mod members;
pub mod model_prices;
pub mod models;
pub mod openapi;
pub mod paging;
pub mod params;
pub mod pats;
pub mod policies;
pub mod price_snapshots;
pub mod provider_keys;
pub mod requests;
pub mod resources;
pub mod rollups;
pub mod runs;
pub mod sessions;
pub mod spend;
pub mod tokens;
pub mod version;
pub mod view;
pub mod virtual_keys;
pub mod webhooks;
pub mod workspaces;

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use rungate_core::code::Code;

use crate::services::Services;
use error::ApiError;

/// Everything under `/api` and `/v1/analytics`.
pub fn router(services: Arc<Services>) -> Router {
    let v1 = Router::new()
        .merge(provider_keys::routes())
        .merge(agents::routes())
        .merge(virtual_keys::routes())
        .merge(workspaces::routes())
        .merge(members::routes())
        .merge(pats::routes())
        .merge(budgets::routes())
        .merge(policies::routes())
        .merge(model_prices::routes())
        .merge(price_snapshots::routes())
        .merge(models::routes())
        .merge(requests::routes())
        .merge(erasures::routes())
        .merge(runs::routes())
        .merge(checks::routes())
        .merge(sessions::routes())
        .merge(rollups::routes())
        .merge(webhooks::routes())
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method);
    let analytics = analytics::routes().fallback(unknown_path).method_not_allowed_fallback(wrong_method);
    Router::new()
        .nest("/api/v1", v1)
        .nest("/v1/analytics", analytics)
        .route("/api", any(unknown_path))
        .route("/api/{*rest}", any(unknown_path))
        .with_state(services)
}

async fn unknown_path() -> ApiError {
    ApiError::new(Code::NotFound, "no such path")
}

/// The router adds `Allow`.
async fn wrong_method() -> ApiError {
    ApiError::new(Code::MethodNotAllowed, "this path does not have this method")
}
