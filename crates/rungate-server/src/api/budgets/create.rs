//! `POST /budgets`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rungate_core::agent::Head;
use rungate_core::budget::Budget;
use rungate_core::ports::{Write, fresh_uuid};
use serde::Deserialize;
use utoipa::ToSchema;

use super::terms::{self, ScopeBody};
use super::view::{self, BudgetView};
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
    /// US dollars; 0: nothing may be spent.
    limit_usd: Option<f64>,
    /// The same in billionths of a US dollar, as a string.
    limit_nano_usd: Option<String>,
    /// `daily`, `weekly`, `monthly`, `yearly` or `total`.
    window: String,
    /// Where its days begin, by IANA name; absent: the workspace's time zone.
    timezone: Option<String>,
    /// `block_requests` (absent), `clamp`, `alert_only` or `disable_key`.
    action: Option<String>,
    /// Percentages of the limit whose crossing is reported; absent: 50, 75, 90, 100.
    thresholds: Option<Vec<u16>>,
    /// Whether it is in force; absent: yes.
    enabled: Option<bool>,
}

impl Request for CreateBudget {}

/// Set a budget. In force with the next request, with what was spent in the present window counted.
#[utoipa::path(post, path = "/api/v1/budgets", tag = "Budgets", request_body = CreateBudget,
    responses((status = 201, body = Envelope<BudgetView>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Post { body, once }: Post<CreateBudget>,
) -> Result<Response, ApiError> {
    let limit = terms::limit(body.limit_usd, body.limit_nano_usd.as_deref())?
        .ok_or_else(|| ApiError::field("limitUsd", "required", "limitUsd or limitNanoUsd must be given"))?;
    let directory = services.directories.load();
    let of_workspace = directory.workspace(caller.workspace).map(|entry| entry.workspace.timezone.as_str());
    let zone = body.timezone.as_deref().or(of_workspace).unwrap_or("UTC");
    let now = services.clock.now();
    let budget = Budget {
        head: Head::new(fresh_uuid(&*services.entropy, now), caller.workspace, now),
        scope: terms::scope(&services, caller.workspace, &body.scope).await?,
        limit,
        window: terms::window(&body.window)?,
        timezone: terms::zone(zone)?,
        action: body.action.as_deref().map(terms::action).transpose()?.unwrap_or_default(),
        thresholds: body.thresholds.map(terms::thresholds).transpose()?.unwrap_or_default(),
        enabled: body.enabled.unwrap_or(true),
    };
    let writes = vec![Write::insert(&budget)?];
    let answer = to_json(&Envelope::of(view::new(budget)))?;
    once.commit(&services, writes, StatusCode::CREATED, answer).await
}
