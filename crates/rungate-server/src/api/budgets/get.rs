//! `GET /budgets/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::budget::Budget;

use super::view::{self, BudgetView};
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::api::resources;
use crate::services::Services;

/// Read a budget, with what is spent and reserved now.
#[utoipa::path(get, path = "/api/v1/budgets/{id}", tag = "Budgets", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<BudgetView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let budget: Budget = resources::require(&services, caller.workspace, id, "budget").await?;
    Ok(ok(view::of(&services, budget).await?))
}
