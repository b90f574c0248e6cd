//! `GET` and `PUT /policies/budget-control`: the workspace's budget.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use rungate_core::budget::{Budget, BudgetAction, Scope, Thresholds, Window};
use rungate_core::code::Code;
use rungate_core::ports::Write;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::attached::{self, Terms};
use super::rules::{self, Usd};
use crate::api::auth::{Admin, Caller};
use crate::api::envelope::superset;
use crate::api::error::ApiError;
use crate::api::json::{Json, Request};
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// The workspace's budget, as a whole.
#[derive(Deserialize, ToSchema)]
pub struct PutBudgetControl {
    /// What is in force from now on.
    config: BudgetControl,
}

/// The terms of the workspace's budget.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetControl {
    /// US dollars; null: no budget.
    #[serde(default)]
    #[schema(value_type = Option<f64>)]
    amount: Option<Usd>,
    /// Any spelling of an action.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    exceeded_action: Option<BudgetAction>,
    /// `daily`, `weekly`, `monthly`, `yearly` or `total`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    period: Option<Window>,
    /// Percentages of the limit whose crossing is reported.
    #[serde(default)]
    #[schema(value_type = Option<Vec<u16>>)]
    thresholds: Option<Thresholds>,
    /// `USD`.
    #[serde(default)]
    currency: Option<String>,
    /// The version this change rests on; null overwrites.
    #[serde(default)]
    version: Option<u64>,
    /// Kept and answered as it is.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    extra: Map<String, Value>,
}

impl Request for PutBudgetControl {}

/// Read the workspace's budget.
#[utoipa::path(get, path = "/api/v1/policies/budget-control", tag = "Budgets",
    responses((status = 200, body = Value)))]
pub async fn get(State(services): State<Arc<Services>>, caller: Caller) -> Result<Response, ApiError> {
    let budget = attached::find(&services, caller.workspace, &Scope::Workspace(caller.workspace)).await?;
    Ok(answer(budget.as_ref()))
}

/// Set the workspace's budget. A null amount removes it.
#[utoipa::path(put, path = "/api/v1/policies/budget-control", tag = "Budgets", request_body = PutBudgetControl,
    responses((status = 200, body = Value)))]
pub async fn put(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    if_match: IfMatch,
    Json(PutBudgetControl { config }): Json<PutBudgetControl>,
) -> Result<Response, ApiError> {
    if config.currency.as_deref().is_some_and(|currency| currency != "USD") {
        return Err(ApiError::field("config.currency", "one_of", "must be USD"));
    }
    let scope = Scope::Workspace(caller.workspace);
    let stored = attached::find(&services, caller.workspace, &scope).await?;
    match &stored {
        Some(budget) => if_match.check(config.version, &budget.head)?,
        None if config.version.is_some() => {
            let message = "somebody else removed this budget";
            return Err(ApiError::new(Code::VersionConflict, message).at("version"));
        }
        None => {}
    }
    let Some(limit) = rules::limit(config.amount, None, "config.amount")? else {
        if let Some(budget) = stored {
            resources::commit(&services, vec![Write::delete(&budget)]).await?;
        }
        return Ok(answer(None));
    };
    let terms = Terms {
        limit: Some(limit),
        window: config.period,
        action: config.exceeded_action,
        thresholds: config.thresholds,
    };
    let is_new = stored.is_none();
    let mut budget = match stored {
        Some(budget) => attached::changed(&services, budget, terms),
        None => attached::fresh(&services, caller.workspace, scope, limit, terms)?,
    };
    budget.extra = config.extra;
    let write = if is_new { Write::insert(&budget)? } else { Write::update(&budget)? };
    resources::commit(&services, vec![write]).await?;
    Ok(answer(Some(&budget)))
}

/// The configuration at the top and under `data`; its own fields win over those that are only kept.
fn answer(budget: Option<&Budget>) -> Response {
    let mut config = budget.map(|budget| budget.extra.clone()).unwrap_or_default();
    let action = |budget: &Budget| if budget.action.is_hard() { "pause" } else { "alert-only" };
    for (name, value) in [
        ("amount", json!(budget.map(|budget| budget.limit.amount().to_usd_number()))),
        ("exceededAction", json!(budget.map(action))),
        ("period", json!(budget.map(|budget| budget.window))),
        ("thresholds", json!(budget.map(|budget| &budget.thresholds))),
        ("currency", json!(budget.map(|_| "USD"))),
        ("version", json!(budget.map(|budget| budget.head.version))),
    ] {
        config.insert(name.to_owned(), value);
    }
    Answer(superset(json!({ "config": config }))).into_response()
}
