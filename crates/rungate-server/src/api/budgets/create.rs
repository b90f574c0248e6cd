//! `POST /budgets`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rungate_core::agent::Head;
use rungate_core::budget::{Budget, BudgetAction, Thresholds, Window, Zone};
use rungate_core::money::NanoUsd;
use rungate_core::ports::{Write, fresh_uuid};
use serde::Deserialize;
use utoipa::ToSchema;

use super::rules::{self, ScopeBody, Usd};
use super::view::BudgetView;
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, to_json};
use crate::api::error::ApiError;
use crate::api::idempotency::Post;
use crate::api::json::Request;
use crate::services::Services;

/// A new budget.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateBudget {
    /// Whose spend is limited.
    scope: ScopeBody,
    /// The most that may be spent in one window, in US dollars.
    #[serde(default)]
    #[schema(value_type = Option<f64>)]
    limit_usd: Option<Usd>,
    /// The same in nano-dollars; one of the two is needed.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    limit_nano_usd: Option<NanoUsd>,
    /// `daily`, `weekly`, `monthly` (default), `yearly` or `total`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    window: Option<Window>,
    /// IANA name; absent: the workspace's.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    timezone: Option<Zone>,
    /// What happens to a request that does not fit; `block_requests` by default.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    action: Option<BudgetAction>,
    /// Percentages of the limit whose crossing is reported.
    #[serde(default)]
    #[schema(value_type = Option<Vec<u16>>)]
    thresholds: Option<Thresholds>,
    /// Whether it is in force; by default it is.
    #[serde(default)]
    enabled: Option<bool>,
}

impl Request for CreateBudget {}

/// Set a budget. What was spent before in its window counts.
#[utoipa::path(post, path = "/api/v1/budgets", tag = "Budgets", request_body = CreateBudget,
    responses((status = 201, body = Envelope<BudgetView>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Post { body, once }: Post<CreateBudget>,
) -> Result<Response, ApiError> {
    let limit = rules::limit(body.limit_usd, body.limit_nano_usd, "limitUsd")?;
    let Some(limit) = limit else {
        return Err(ApiError::field("limitUsd", "required", "limitUsd or limitNanoUsd is required"));
    };
    let timezone = match body.timezone {
        Some(zone) => zone,
        None => rules::zone(&services, caller.workspace)?,
    };
    let now = services.clock.now();
    let budget = Budget {
        head: Head::new(fresh_uuid(&*services.entropy, now), caller.workspace, now),
        scope: rules::scope(&services, caller.workspace, &body.scope).await?,
        limit,
        window: body.window.unwrap_or_default(),
        timezone,
        action: body.action.unwrap_or_default(),
        thresholds: body.thresholds.unwrap_or_default(),
        enabled: body.enabled.unwrap_or(true),
        attached: false,
        extra: serde_json::Map::new(),
    };
    let writes = vec![Write::insert(&budget)?];
    // The ledger knows it when it is committed; its figures are read from then on.
    let answer = to_json(&Envelope::of(BudgetView::new(budget, None, now)))?;
    once.commit(&services, writes, StatusCode::CREATED, answer).await
}
