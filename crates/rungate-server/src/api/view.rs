//! Parts that the answers of several resources share.

use rungate_core::agent::Head;
use rungate_core::budget::{BudgetAction, Window};
use rungate_core::money::NanoUsd;
use rungate_core::time::Timestamp;
use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;
use uuid::Uuid;

/// The fields every resource has.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeadView {
    /// UUIDv7.
    pub id: Uuid,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Counts from 1; send it back with a change.
    pub version: u64,
}

impl From<&Head> for HeadView {
    fn from(head: &Head) -> Self {
        let Head { id, version, created_at, updated_at, .. } = *head;
        Self { id, created_at, updated_at, version }
    }
}

/// What was spent so far; null when the log could not be asked.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpentView {
    /// In US cents, may be fractional.
    #[schema(value_type = Option<f64>)]
    pub spent_cents: Option<Number>,
    /// In nano-dollars, exact.
    pub spent_nano_usd: Option<String>,
}

impl From<Option<NanoUsd>> for SpentView {
    fn from(spent: Option<NanoUsd>) -> Self {
        Self {
            spent_cents: spent.map(NanoUsd::to_cents_number),
            spent_nano_usd: spent.map(|spent| spent.nanos().to_string()),
        }
    }
}

/// Budget and rate limits.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsView {
    /// US dollars; null: none.
    #[schema(value_type = Option<f64>)]
    pub budget: Option<Number>,
    /// US cents; null: none.
    #[schema(value_type = Option<f64>)]
    pub budget_cents: Option<Number>,
    /// Nano-dollars; null: none.
    pub budget_nano_usd: Option<String>,
    /// What happens when the budget is used up.
    #[schema(value_type = Option<String>)]
    pub budget_action: Option<BudgetAction>,
    /// The time a budget is for.
    #[schema(value_type = Option<String>)]
    pub budget_window: Option<Window>,
    /// Requests per minute; null: no limit.
    pub rate_limit_rpm: Option<u32>,
    /// Requests per hour; null: no limit.
    pub rate_limit_rph: Option<u32>,
}
