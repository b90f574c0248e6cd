//! A budget on the wire.

use rungate_core::budget::{Budget, BudgetAction, Scope, Thresholds, Usage, UsageStatus, Window, Zone};
use rungate_core::money::NanoUsd;
use rungate_core::time::Timestamp;
use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;

use super::figures;
use crate::api::view::HeadView;
use crate::services::Services;

/// A budget with what is spent of it.
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
    /// The most that may be spent in one window, in US dollars.
    #[schema(value_type = f64)]
    pub limit_usd: Number,
    /// The same in nano-dollars, exact.
    pub limit_nano_usd: String,
    /// `daily`, `weekly`, `monthly`, `yearly` or `total`.
    #[schema(value_type = String)]
    pub window: Window,
    /// IANA name: where its days begin.
    #[schema(value_type = String)]
    pub timezone: Zone,
    /// `block_requests`, `clamp`, `alert_only` or `disable_key`.
    #[schema(value_type = String)]
    pub action: BudgetAction,
    /// Percentages of the limit whose crossing is reported.
    #[schema(value_type = Vec<u16>)]
    pub thresholds: Thresholds,
    /// Whether it is in force.
    pub enabled: bool,
    /// Whether it is the one shown on its agent, its key or the workspace's budget control.
    pub attached: bool,
    /// Spent in the window; null where it is not known, or each session or run has its own.
    pub spent_nano_usd: Option<String>,
    /// Reserved by requests in flight.
    pub reserved_nano_usd: Option<String>,
    /// What can still be reserved; negative when more was spent.
    pub remaining_nano_usd: Option<String>,
    /// Spent, in percent of the limit, rounded down to two decimals; null also where the limit is zero.
    #[schema(value_type = Option<f64>)]
    pub usage_pct: Option<Number>,
    /// When the spend starts again from nothing; null: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resets_at: Option<Timestamp>,
    /// `ok`, `warning` or `exhausted`.
    #[schema(value_type = Option<String>)]
    pub status: Option<UsageStatus>,
}

impl BudgetView {
    /// The budget with its figures of this moment.
    pub async fn now(services: &Services, budget: Budget) -> Self {
        let usage = figures::usage(services, &budget).await;
        Self::new(budget, usage, services.clock.now())
    }

    /// The budget with its figures at `now`.
    pub fn new(budget: Budget, usage: Option<Usage>, now: Timestamp) -> Self {
        let limit = budget.limit.amount();
        let text = |amount: NanoUsd| amount.nanos().to_string();
        Self {
            head: (&budget.head).into(),
            limit_usd: limit.to_usd_number(),
            limit_nano_usd: text(limit),
            spent_nano_usd: usage.map(|usage| text(usage.spent)),
            reserved_nano_usd: usage.map(|usage| text(usage.reserved)),
            remaining_nano_usd: usage
                .map(|usage| text(limit.saturating_sub(usage.spent).saturating_sub(usage.reserved))),
            usage_pct: usage.and_then(|usage| percent(usage.spent, limit)),
            resets_at: budget.window.span_at(now, &budget.timezone).end,
            status: usage.map(|usage| usage.status),
            scope: budget.scope,
            window: budget.window,
            timezone: budget.timezone,
            action: budget.action,
            thresholds: budget.thresholds,
            enabled: budget.enabled,
            attached: budget.attached,
        }
    }
}

/// In hundredths of a percent, so that no float is rounded.
fn percent(spent: NanoUsd, limit: NanoUsd) -> Option<Number> {
    let hundredths = (i128::from(spent.nanos()) * 10_000).checked_div(i128::from(limit.nanos()))?;
    let sign = if hundredths < 0 { "-" } else { "" };
    let size = hundredths.unsigned_abs();
    format!("{sign}{}.{:02}", size / 100, size % 100).parse::<f64>().ok().and_then(Number::from_f64)
}
