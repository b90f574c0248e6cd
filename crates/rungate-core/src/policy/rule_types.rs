//! The types of rules, one line each.

use std::fmt;

use serde_json::Value;

use crate::policy::caching::{self, Caching};
use crate::policy::config::ConfigError;
use crate::policy::content_filter::{self, ContentFilter};
use crate::policy::facts::{Facts, Judgement};
use crate::policy::logging::{self, Logging};
use crate::policy::rate_limit::{self, RateLimit};
use crate::policy::routing::{self, Routing};
use crate::policy::{ip_allowlist, model_access, request_limits, run_limits, schedule};

/// A rule that is judged on the facts of a request alone.
pub trait Guard: fmt::Debug + Send + Sync {
    /// What it says. The same facts always get the same answer.
    fn judge(&self, facts: &Facts<'_>) -> Judgement;

    /// The models that it names, with where each stands below `config`.
    fn models(&self) -> Vec<(String, &str)> {
        Vec::new()
    }
}

/// A compiled rule.
#[derive(Debug)]
pub enum Rule {
    /// Judged before a request is sent.
    Guard(Box<dyn Guard>),
    /// Counted by the gateway.
    RateLimit(RateLimit),
    /// Held against bodies.
    ContentFilter(Box<ContentFilter>),
    /// Says where requests go.
    Routing(Routing),
    /// Says which answers are kept for next time.
    Caching(Caching),
    /// Says what is logged.
    Logging(Logging),
}

/// A type of rules.
#[derive(Debug)]
pub struct RuleType {
    /// Its name on the wire.
    pub name: &'static str,
    /// Whether it limits: limiting rules combine, of the others the narrowest counts.
    pub limits: bool,
    compile: fn(&Value) -> Result<Rule, ConfigError>,
}

/// Every type. A new one is one file and one line here.
static RULE_TYPES: [RuleType; 10] = [
    RuleType { name: "model_access", limits: true, compile: model_access::compile },
    RuleType { name: "rate_limit", limits: true, compile: rate_limit::compile },
    RuleType { name: "request_limits", limits: true, compile: request_limits::compile },
    RuleType { name: "run_limits", limits: true, compile: run_limits::compile },
    RuleType { name: "ip_allowlist", limits: true, compile: ip_allowlist::compile },
    RuleType { name: "schedule", limits: true, compile: schedule::compile },
    RuleType { name: "content_filter", limits: true, compile: content_filter::compile },
    RuleType { name: "routing", limits: false, compile: routing::compile },
    RuleType { name: "caching", limits: false, compile: caching::compile },
    RuleType { name: "logging", limits: false, compile: logging::compile },
];

/// Every type of rules.
pub fn rule_types() -> &'static [RuleType] {
    &RULE_TYPES
}

/// Compiles the configuration of a rule.
pub(super) fn compile(name: &str, config: &Value) -> Result<(&'static RuleType, Rule), ConfigError> {
    let Some(rule_type) = RULE_TYPES.iter().find(|rule_type| rule_type.name == name) else {
        let names: Vec<&str> = RULE_TYPES.iter().map(|rule_type| rule_type.name).collect();
        let reason = format!("no such type of policy: use one of {}", names.join(", "));
        return Err(ConfigError { path: "type".to_owned(), reason });
    };
    Ok((rule_type, (rule_type.compile)(config)?))
}

/// Checks a configuration before it is saved: that it compiles, and that `knows_model` accepts the models it names.
pub fn check(name: &str, config: &Value, knows_model: &dyn Fn(&str) -> bool) -> Result<(), ConfigError> {
    let (_, rule) = compile(name, config)?;
    let models = match &rule {
        Rule::Guard(guard) => guard.models(),
        Rule::Routing(routing) => routing.models(),
        _ => Vec::new(),
    };
    match models.into_iter().find(|(_, model)| !knows_model(model)) {
        Some((path, model)) => {
            Err(ConfigError::at(path, format!("no provider key offers the model {model}")))
        }
        None => Ok(()),
    }
}
