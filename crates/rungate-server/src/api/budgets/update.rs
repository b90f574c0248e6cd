//! `PATCH /budgets/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::Resource as _;
use rungate_core::budget::Budget;
use rungate_core::ports::Write;
use serde::Deserialize;
use utoipa::ToSchema;

use super::terms;
use super::view::{self, BudgetView};
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Json, Request};
use crate::api::params::Id;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Changes to a budget. Whose it is stays; nothing that was spent is forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateBudget {
    /// US dollars.
    limit_usd: Option<f64>,
    /// The same in billionths of a US dollar, as a string.
    limit_nano_usd: Option<String>,
    /// `daily`, `weekly`, `monthly`, `yearly` or `total`.
    window: Option<String>,
    /// Where its days begin, by IANA name.
    timezone: Option<String>,
    /// `block_requests`, `clamp`, `alert_only` or `disable_key`.
    action: Option<String>,
    /// Percentages of the limit whose crossing is reported.
    thresholds: Option<Vec<u16>>,
    /// Whether it is in force.
    enabled: Option<bool>,
    /// The version this change rests on.
    version: Option<u64>,
}

impl Request for UpdateBudget {}

/// Change a budget. In force with the next request.
#[utoipa::path(patch, path = "/api/v1/budgets/{id}", tag = "Budgets", params(("id" = String, Path)),
    request_body = UpdateBudget, responses((status = 200, body = Envelope<BudgetView>)))]
pub async fn update(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
    if_match: IfMatch,
    Json(body): Json<UpdateBudget>,
) -> Result<Response, ApiError> {
    let mut budget: Budget = resources::require(&services, caller.workspace, id, "budget").await?;
    if_match.check(body.version, &budget.head)?;
    let limit = terms::limit(body.limit_usd, body.limit_nano_usd.as_deref())?;
    budget.limit = limit.unwrap_or(budget.limit);
    if let Some(window) = &body.window {
        budget.window = terms::window(window)?;
    }
    if let Some(timezone) = &body.timezone {
        budget.timezone = terms::zone(timezone)?;
    }
    if let Some(action) = &body.action {
        budget.action = terms::action(action)?;
    }
    if let Some(thresholds) = body.thresholds {
        budget.thresholds = terms::thresholds(thresholds)?;
    }
    budget.enabled = body.enabled.unwrap_or(budget.enabled);
    let budget = budget.touched(services.clock.now());
    resources::commit(&services, vec![Write::update(&budget)?]).await?;
    Ok(ok(view::of(&services, budget).await?))
}
