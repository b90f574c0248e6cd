//! A budget on the wire.

use rungate_core::budget::{AccountKey, Budget, BudgetAction, Owner, Scope, Spender, UsageStatus, Window};
use rungate_core::id::{AgentRef, ExchangeId, ExternalId};
use rungate_core::money::NanoUsd;
use rungate_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::error::ApiError;
use crate::api::view::HeadView;
use crate::services::Services;

/// How much may be spent, and how much is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Budget)]
pub struct BudgetView {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: HeadView,
    /// Whose spend is limited: `{type, id, of}`.
    #[schema(value_type = Object)]
    pub scope: Scope,
    /// The limit in US dollars.
    #[schema(value_type = f64)]
    pub limit_usd: serde_json::Number,
    /// The limit in billionths of a US dollar.
    pub limit_nano_usd: String,
    /// `daily`, `weekly`, `monthly`, `yearly` or `total`.
    #[schema(value_type = String)]
    pub window: Window,
    /// Where its days begin.
    pub timezone: String,
    /// `block_requests`, `clamp`, `alert_only` or `disable_key`.
    #[schema(value_type = String)]
    pub action: BudgetAction,
    /// Percentages of the limit whose crossing is reported.
    pub thresholds: Vec<u16>,
    /// Whether it is in force.
    pub enabled: bool,
    /// Spent in the present window; null where each session or run counts by itself, or the budget is switched off.
    pub spent_nano_usd: Option<String>,
    /// Reserved by requests in flight; null as above.
    pub reserved_nano_usd: Option<String>,
    /// What is left of the limit; null as above.
    pub remaining_nano_usd: Option<String>,
    /// Spent, in percent of the limit; null as above, and where the limit is zero.
    pub usage_pct: Option<f64>,
    /// When the window ends; null where it does not.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resets_at: Option<Timestamp>,
    /// `ok`, `warning` from the first threshold on, or `exhausted`; null as above.
    #[schema(value_type = Option<String>)]
    pub status: Option<UsageStatus>,
    #[serde(skip)]
    budget: Budget,
}

/// Without what is spent.
pub fn new(budget: Budget) -> BudgetView {
    let limit = budget.limit.amount();
    BudgetView {
        head: (&budget.head).into(),
        scope: budget.scope.clone(),
        limit_usd: limit.to_usd_number(),
        limit_nano_usd: nanos(limit),
        window: budget.window,
        timezone: budget.timezone.name().to_owned(),
        action: budget.action,
        thresholds: budget.thresholds.percents().to_vec(),
        enabled: budget.enabled,
        spent_nano_usd: None,
        reserved_nano_usd: None,
        remaining_nano_usd: None,
        usage_pct: None,
        resets_at: None,
        status: None,
        budget,
    }
}

/// With what is spent.
pub async fn of(services: &Services, budget: Budget) -> Result<BudgetView, ApiError> {
    let mut view = new(budget);
    fill(services, &mut view).await?;
    Ok(view)
}

/// Adds what is spent.
#[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
pub async fn fill(services: &Services, view: &mut BudgetView) -> Result<(), ApiError> {
    let now = services.clock.now();
    view.resets_at = view.budget.window.span_at(now, &view.budget.timezone).end;
    if view.budget.scope.is_each() || !view.budget.enabled {
        return Ok(());
    }
    let (spender, external_id) = anybody(services, &view.budget, now);
    let account = AccountKey { budget: view.budget.id(), instance: None };
    let Some(usage) = services.ledger.usage(&spender, &external_id, &account).await? else { return Ok(()) };
    let taken = usage.spent.saturating_add(usage.reserved);
    let remaining = usage.limit.nanos().saturating_sub(taken.nanos()).max(0);
    view.spent_nano_usd = Some(nanos(usage.spent));
    view.reserved_nano_usd = Some(nanos(usage.reserved));
    view.remaining_nano_usd = Some(remaining.to_string());
    view.usage_pct = (usage.limit > NanoUsd::ZERO)
        .then(|| (usage.spent.nanos() as f64 / usage.limit.nanos() as f64 * 1e4).round() / 1e2);
    view.status = Some(usage.status);
    Ok(())
}

/// Somebody whom the budget covers.
fn anybody(services: &Services, budget: &Budget, now: Timestamp) -> (Spender, ExternalId) {
    let mut spender = Spender {
        exchange: ExchangeId::new(Uuid::nil()),
        created: now,
        workspace: budget.head.workspace_id,
        agent: None,
        virtual_key: None,
        session: None,
        run: None,
    };
    match &budget.scope {
        Scope::Workspace(_) | Scope::EachSession(None) | Scope::EachRun(None) => {}
        Scope::Agent(id)
        | Scope::EachSession(Some(Owner::Agent(id)))
        | Scope::EachRun(Some(Owner::Agent(id))) => {
            spender.agent = Some(*id);
        }
        Scope::VirtualKey(id)
        | Scope::EachSession(Some(Owner::VirtualKey(id)))
        | Scope::EachRun(Some(Owner::VirtualKey(id))) => spender.virtual_key = Some(*id),
        Scope::Session(id) => spender.session = Some(id.clone()),
        Scope::Run(id) => spender.run = Some(id.clone()),
    }
    let directory = services.directories.load();
    let entry = directory.workspace(spender.workspace);
    let agent = spender.agent.and_then(|id| entry?.agent(&AgentRef::Id(id)).cloned());
    (spender, agent.map_or_else(ExternalId::unknown, |agent| agent.external_id.clone()))
}

fn nanos(amount: NanoUsd) -> String {
    amount.nanos().to_string()
}
