//! `DELETE /budgets/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::budget::Budget;
use rungate_core::ports::Write;

use crate::api::auth::Admin;
use crate::api::envelope::no_content;
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Remove a budget. What was spent stays in the log.
#[utoipa::path(delete, path = "/api/v1/budgets/{id}", tag = "Budgets", params(("id" = String, Path)),
    responses((status = 204)))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
    if_match: IfMatch,
) -> Result<Response, ApiError> {
    let budget: Budget = resources::require(&services, caller.workspace, id, "budget").await?;
    if_match.check(None, &budget.head)?;
    resources::commit(&services, vec![Write::delete(&budget)]).await?;
    Ok(no_content())
}
