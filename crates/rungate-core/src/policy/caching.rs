//! `caching`: which answers are kept for the next equal request.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::config::{ConfigError, read, within};
use crate::policy::rule_types::Rule;

/// Who shares a kept answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheScope {
    /// Requests with the same key.
    Key,
    /// Requests of the same agent.
    #[default]
    Agent,
    /// All of the workspace.
    Workspace,
}

/// How answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Caching {
    /// Whether they are; true unless said otherwise.
    pub enabled: bool,
    /// For how long, in seconds.
    pub ttl_seconds: u64,
    /// Who shares them.
    pub scope: CacheScope,
}

impl Default for Caching {
    fn default() -> Self {
        Self { enabled: true, ttl_seconds: 3_600, scope: CacheScope::Agent }
    }
}

pub(super) fn compile(config: &Value) -> Result<Rule, ConfigError> {
    let caching: Caching = read(config)?;
    within("ttlSeconds", Some(caching.ttl_seconds), 1..=31_536_000)?;
    Ok(Rule::Caching(caching))
}
