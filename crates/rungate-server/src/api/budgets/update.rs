//! `PATCH /budgets/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::Resource as _;
use rungate_core::budget::{Budget, BudgetAction, Thresholds, Window, Zone};
use rungate_core::money::NanoUsd;
use rungate_core::ports::Write;
use serde::Deserialize;
use utoipa::ToSchema;

use super::rules::{self, Usd};
use super::view::BudgetView;
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Json, Request};
use crate::api::params::Id;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Changes to a budget; whose spend it limits is fixed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateBudget {
    /// US dollars.
    #[schema(value_type = Option<f64>)]
    limit_usd: Option<Usd>,
    /// Nano-dollars.
    #[schema(value_type = Option<String>)]
    limit_nano_usd: Option<NanoUsd>,
    /// `daily`, `weekly`, `monthly`, `yearly` or `total`.
    #[schema(value_type = Option<String>)]
    window: Option<Window>,
    /// IANA name.
    #[schema(value_type = Option<String>)]
    timezone: Option<Zone>,
    /// What happens to a request that does not fit.
    #[schema(value_type = Option<String>)]
    action: Option<BudgetAction>,
    /// Percentages of the limit whose crossing is reported.
    #[schema(value_type = Option<Vec<u16>>)]
    thresholds: Option<Thresholds>,
    /// Whether it is in force.
    enabled: Option<bool>,
    /// The version this change rests on.
    version: Option<u64>,
}

impl Request for UpdateBudget {}

/// Change a budget. What is spent stays spent.
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
    budget.limit = rules::limit(body.limit_usd, body.limit_nano_usd, "limitUsd")?.unwrap_or(budget.limit);
    budget.window = body.window.unwrap_or(budget.window);
    budget.timezone = body.timezone.unwrap_or(budget.timezone);
    budget.action = body.action.unwrap_or(budget.action);
    budget.thresholds = body.thresholds.unwrap_or(budget.thresholds);
    budget.enabled = body.enabled.unwrap_or(budget.enabled);
    let changed = budget.touched(services.clock.now());
    resources::commit(&services, vec![Write::update(&changed)?]).await?;
    Ok(ok(BudgetView::now(&services, changed).await))
}
