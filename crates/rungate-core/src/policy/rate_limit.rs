//! `rate_limit`: how often and how much at once. The gateway counts; here is only what is counted.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::config::{ConfigError, read, within};
use crate::policy::rule_types::Rule;

/// What shares one count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// All requests of the workspace that the policy is for.
    Workspace,
    /// Those with the same key.
    #[default]
    Key,
    /// Those of the same agent.
    Agent,
    /// Those of the same run.
    Run,
    /// Those from the same client address.
    Ip,
}

/// Never more than this in any window of that length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RateLimit {
    /// Requests in sixty seconds.
    pub requests_per_minute: Option<u64>,
    /// Requests in an hour.
    pub requests_per_hour: Option<u64>,
    /// Requests in 24 hours.
    pub requests_per_day: Option<u64>,
    /// Tokens in sixty seconds.
    pub tokens_per_minute: Option<u64>,
    /// Requests at the same time.
    pub max_concurrent: Option<u64>,
    /// What shares one count.
    pub per: Per,
}

pub(super) fn compile(config: &Value) -> Result<Rule, ConfigError> {
    let limit: RateLimit = read(config)?;
    let numbers = [
        ("requestsPerMinute", limit.requests_per_minute, 10_000_000),
        ("requestsPerHour", limit.requests_per_hour, 100_000_000),
        ("requestsPerDay", limit.requests_per_day, 1_000_000_000),
        ("tokensPerMinute", limit.tokens_per_minute, 1_000_000_000_000),
        ("maxConcurrent", limit.max_concurrent, 1_000_000),
    ];
    for (path, value, most) in numbers {
        within(path, value, 1..=most)?;
    }
    if numbers.iter().all(|(_, value, _)| value.is_none()) {
        let names: Vec<&str> = numbers.iter().map(|(name, ..)| *name).collect();
        return Err(ConfigError::at("", format!("must have at least one of {}", names.join(", "))));
    }
    Ok(Rule::RateLimit(limit))
}
