//! The one budget of a scope that is made and shown elsewhere: on its agent, its key, or as the workspace's.

use rungate_core::agent::{Head, Resource as _, ResourceKind};
use rungate_core::budget::{Budget, BudgetAction, Limit, Scope, Thresholds, Window};
use rungate_core::id::WorkspaceId;
use rungate_core::ports::fresh_uuid;

use super::rules;
use crate::api::error::ApiError;
use crate::services::Services;

/// What is said of a budget; what is not said stays, or is as usual.
#[derive(Debug, Default)]
pub struct Terms {
    /// The most that may be spent in one window.
    pub limit: Option<Limit>,
    /// When the spend starts again from nothing.
    pub window: Option<Window>,
    /// What happens to a request that does not fit.
    pub action: Option<BudgetAction>,
    /// Percentages that are reported.
    pub thresholds: Option<Thresholds>,
}

/// The budget attached to a scope.
pub async fn find(
    services: &Services,
    workspace: WorkspaceId,
    scope: &Scope,
) -> Result<Option<Budget>, ApiError> {
    let name = Budget::unique_attached(workspace, scope);
    let found = services.catalog.get_unique(ResourceKind::Budget, "attached", &name).await?;
    Ok(found.map(|document| document.read()).transpose()?)
}

/// A new budget for a scope.
pub fn fresh(
    services: &Services,
    workspace: WorkspaceId,
    scope: Scope,
    limit: Limit,
    terms: Terms,
) -> Result<Budget, ApiError> {
    let now = services.clock.now();
    Ok(Budget {
        head: Head::new(fresh_uuid(&*services.entropy, now), workspace, now),
        scope,
        limit,
        window: terms.window.unwrap_or_default(),
        timezone: rules::zone(services, workspace)?,
        action: terms.action.unwrap_or_default(),
        thresholds: terms.thresholds.unwrap_or_default(),
        enabled: true,
        attached: true,
        extra: serde_json::Map::new(),
    })
}

/// The next version of a budget, on other terms.
pub fn changed(services: &Services, mut budget: Budget, terms: Terms) -> Budget {
    budget.limit = terms.limit.unwrap_or(budget.limit);
    budget.window = terms.window.unwrap_or(budget.window);
    budget.action = terms.action.unwrap_or(budget.action);
    budget.thresholds = terms.thresholds.unwrap_or(budget.thresholds);
    budget.touched(services.clock.now())
}
