//! Budgets and limits as fields of an agent or a virtual key.

use rungate_core::agent::OwnLimits;
use rungate_core::budget::{Budget, BudgetAction, Scope, Window};
use rungate_core::id::WorkspaceId;
use rungate_core::money::NanoUsd;
use rungate_core::ports::{CatalogFilter, Write};

use super::attached::{self, Terms};
use super::rules::{self, Usd};
use crate::api::auth::workspace_entry;
use crate::api::error::ApiError;
use crate::api::json::Checks;
use crate::api::resources;
use crate::api::view::LimitsView;
use crate::services::Services;

/// The most a rate limit may say.
const MOST: u32 = 10_000_000;

/// What is said of a budget; `None` is not said.
#[derive(Debug)]
pub struct Fields {
    /// How the amount is called there.
    pub name: &'static str,
    /// The most that may be spent; null: no budget.
    pub amount: Option<Option<Usd>>,
    /// When the spend starts again.
    pub window: Option<Window>,
    /// What happens to a request that does not fit.
    pub action: Option<BudgetAction>,
}

/// What is to be written, and the budget as it will be.
pub async fn change(
    services: &Services,
    workspace: WorkspaceId,
    scope: Scope,
    fields: Fields,
) -> Result<(Option<Write>, Option<Budget>), ApiError> {
    let stored = attached::find(services, workspace, &scope).await?;
    let Fields { name, amount, window, action } = fields;
    let limit = match amount {
        None => None,
        Some(None) => {
            return Ok((stored.as_ref().map(Write::delete), None));
        }
        Some(Some(usd)) => rules::limit(Some(usd), None, name)?,
    };
    if limit.is_none() && window.is_none() && action.is_none() {
        return Ok((None, stored));
    }
    let terms = Terms { limit, window, action, thresholds: None };
    match (stored, limit) {
        (Some(budget), _) => {
            let budget = attached::changed(services, budget, terms);
            Ok((Some(Write::update(&budget)?), Some(budget)))
        }
        (None, Some(limit)) => {
            let budget = attached::fresh(services, workspace, scope, limit, terms)?;
            Ok((Some(Write::insert(&budget)?), Some(budget)))
        }
        (None, None) => Err(ApiError::field(name, "required", "there is no budget yet: name its amount")),
    }
}

/// Deletes every budget that is of nothing else than this, with it.
pub async fn orphans(
    services: &Services,
    workspace: WorkspaceId,
    is_gone: impl Fn(&Scope) -> bool,
) -> Result<Vec<Write>, ApiError> {
    let all: Vec<Budget> = resources::all(services, workspace, &CatalogFilter::default()).await?;
    Ok(all.iter().filter(|budget| is_gone(&budget.scope)).map(Write::delete).collect())
}

/// The budget that stands on a scope, as the directory has it.
pub fn of(services: &Services, workspace: WorkspaceId, scope: &Scope) -> Option<Budget> {
    let entry = workspace_entry(services, workspace).ok()?;
    let found = entry.budgets.iter().find(|budget| budget.attached && budget.scope == *scope)?;
    Some(Budget::clone(found))
}

/// How both stand on the wire.
pub fn view(budget: Option<&Budget>, limits: OwnLimits) -> LimitsView {
    let amount = budget.map(|budget| budget.limit.amount());
    LimitsView {
        budget: amount.map(NanoUsd::to_usd_number),
        budget_cents: amount.map(NanoUsd::to_cents_number),
        budget_nano_usd: amount.map(|amount| amount.nanos().to_string()),
        budget_action: budget.map(|budget| budget.action),
        budget_window: budget.map(|budget| budget.window),
        rate_limit_rpm: limits.rate_limit_rpm,
        rate_limit_rph: limits.rate_limit_rph,
    }
}

/// Holds rate limits to what can be counted.
pub fn check<const N: usize>(checks: &mut Checks, limits: [(&'static str, Option<u32>); N]) {
    for (name, limit) in limits {
        if limit.is_some_and(|limit| !(1..=MOST).contains(&limit)) {
            checks.fail(name, "range", format!("must be 1 to {MOST}; null: no limit"));
        }
    }
}
