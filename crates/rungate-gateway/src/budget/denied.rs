//! Refusals for want of money.

use rungate_core::budget::Shortfall;
use rungate_core::code::Code;
use rungate_core::money::NanoUsd;
use rungate_core::time::Timestamp;
use serde_json::{Value, json};

use super::Denied;
use crate::refusal::Refusal;

impl Denied {
    /// The refusal that the client gets.
    pub fn refusal(&self, now: Timestamp) -> Refusal {
        match self {
            Self::Exhausted(shortfall) | Self::Clamp { shortfall, .. } => exhausted(shortfall, now),
            Self::Reserved(shortfall) => {
                let message = format!(
                    "The budget of {} {} is reserved by requests in flight.",
                    shortfall.scope, shortfall.scope_id
                );
                let mut refusal = Refusal::new(Code::BudgetReserved, message).details(details(shortfall));
                refusal.retry_after = Some(1);
                refusal
            }
            Self::Unavailable(reason) => {
                tracing::warn!(reason, "request refused: what its budgets have spent is not known");
                Refusal::new(
                    Code::BudgetUnavailable,
                    "What was spent before cannot be read now; nothing was sent.",
                )
            }
        }
    }
}

fn exhausted(shortfall: &Shortfall, now: Timestamp) -> Refusal {
    let message = format!("Budget of {} {} is exhausted.", shortfall.scope, shortfall.scope_id);
    let mut refusal = Refusal::new(Code::BudgetExhausted, message).details(details(shortfall));
    // An exchange that began just before its window ended is refused for that window.
    refusal.retry_after = shortfall.span.end.map(|end| end.since(now).as_secs().max(1));
    refusal
}

fn details(shortfall: &Shortfall) -> Value {
    let nanos = |amount: NanoUsd| amount.nanos().to_string();
    json!({
        "scope": shortfall.scope,
        "scopeId": shortfall.scope_id,
        "unit": "nano_usd",
        "limit": nanos(shortfall.limit),
        "spent": nanos(shortfall.spent),
        "reserved": nanos(shortfall.reserved),
        "remaining": nanos(shortfall.remaining),
        "required": nanos(shortfall.required),
        "window": shortfall.window,
        "resetsAt": shortfall.span.end,
    })
}
