//! `routing`: where requests go, and where else when that fails.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::ProviderKeyId;
use crate::policy::config::{ConfigError, read, within};
use crate::policy::rule_types::Rule;

/// How requests are spread over provider keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The first usable one.
    #[default]
    Priority,
    /// By the weights of the provider keys.
    Weighted,
    /// The one that has answered fastest.
    LeastLatency,
}

/// Where a request goes when what was tried before it failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fallback {
    /// The model.
    pub model: String,
    /// The provider key; only with one does a fallback leave the agent's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider_key_id: Option<ProviderKeyId>,
}

/// What a retry is worth trying on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retryable {
    /// The provider could not be reached.
    Connect,
    /// It took too long.
    Timeout,
    /// It answered 429.
    RateLimited,
    /// It answered 5xx.
    ServerError,
}

/// Further tries at the same place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Retries {
    /// 0 to 5.
    pub attempts: u64,
    /// On what; empty: on everything that can be tried again.
    pub on: Vec<Retryable>,
}

/// A cheaper model once little of a budget is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Downgrade {
    /// Below this much of the budget, in percent.
    pub below_remaining_pct: u64,
    /// The model.
    pub to_model: String,
}

/// How requests are routed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Routing {
    /// In order.
    pub fallbacks: Vec<Fallback>,
    /// How requests are spread.
    pub balance: Balance,
    /// Further tries.
    pub retries: Retries,
    /// Milliseconds for one attempt, to the first byte.
    #[serde(rename = "timeoutMs")]
    pub timeout_ms: Option<u64>,
    /// A cheaper model.
    pub downgrade: Option<Downgrade>,
}

const MAX_FALLBACKS: usize = 10;

pub(super) fn compile(config: &Value) -> Result<Rule, ConfigError> {
    let routing: Routing = read(config)?;
    if routing.fallbacks.len() > MAX_FALLBACKS {
        return Err(ConfigError::at("fallbacks", format!("at most {MAX_FALLBACKS} fallbacks")));
    }
    for (index, fallback) in routing.fallbacks.iter().enumerate() {
        if fallback.model.trim().is_empty() {
            return Err(ConfigError::at(format!("fallbacks[{index}].model"), "must name a model"));
        }
        if let Some(first) = routing.fallbacks[..index].iter().position(|other| other == fallback) {
            let reason = format!("falls back to fallbacks[{first}] again: a cycle");
            return Err(ConfigError::at(format!("fallbacks[{index}]"), reason));
        }
    }
    within("retries.attempts", Some(routing.retries.attempts), 0..=5)?;
    within("timeoutMs", routing.timeout_ms, 100..=3_600_000)?;
    if let Some(downgrade) = &routing.downgrade {
        within("downgrade.belowRemainingPct", Some(downgrade.below_remaining_pct), 1..=100)?;
    }
    Ok(Rule::Routing(routing))
}

impl Routing {
    /// The models that it names, with where each stands.
    pub(super) fn models(&self) -> Vec<(String, &str)> {
        let fallbacks = self.fallbacks.iter().enumerate();
        fallbacks
            .map(|(index, fallback)| (format!("fallbacks[{index}].model"), fallback.model.as_str()))
            .chain(self.downgrade.iter().map(|to| ("downgrade.toModel".to_owned(), to.to_model.as_str())))
            .collect()
    }
}
