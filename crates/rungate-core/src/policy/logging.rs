//! `logging`: what is kept of requests, and for how long.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agent::BodyCapture;
use crate::policy::config::{ConfigError, read, within};
use crate::policy::rule_types::Rule;

/// What is kept; where absent, the settings of agent and workspace count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Logging {
    /// What of bodies.
    pub bodies: Option<BodyCapture>,
    /// Days that rows are kept.
    pub retention_days: Option<u64>,
    /// Days that bodies are kept; no longer than the rows.
    pub body_retention_days: Option<u64>,
}

pub(super) fn compile(config: &Value) -> Result<Rule, ConfigError> {
    let logging: Logging = read(config)?;
    within("retentionDays", logging.retention_days, 1..=3_650)?;
    within("bodyRetentionDays", logging.body_retention_days, 1..=logging.retention_days.unwrap_or(3_650))?;
    Ok(Rule::Logging(logging))
}
