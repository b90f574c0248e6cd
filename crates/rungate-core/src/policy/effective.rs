//! What policies come to for one agent or key, for people to look at.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::exchange::Mode;
use crate::id::PolicyId;
use crate::policy::resource::Target;
use crate::policy::set::{Applicable, Bound};

/// One policy as it applies.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectivePolicy {
    /// The policy.
    pub policy_id: PolicyId,
    /// Its name.
    pub name: String,
    /// The version in force.
    pub version: u64,
    /// Whether it is kept to.
    pub mode: Mode,
    /// Whose requests it is for.
    pub target: Target,
    /// The lower goes first.
    pub priority: u16,
    /// Whether it counts: it is enforced, and no narrower one takes its place.
    pub in_force: bool,
    /// Its configuration.
    pub config: Value,
}

/// What applies, by type.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Effective {
    /// Every policy that applies, the narrowest first, by type. Of limiting types all in force hold together.
    pub policies: BTreeMap<&'static str, Vec<EffectivePolicy>>,
    /// The strictest of all plain limits (`maxOutputTokens`, `requireRunId` …) and the settings that win, by type.
    /// Lists, windows and counts per something hold one by one: they stand in `policies`.
    pub merged: BTreeMap<&'static str, Map<String, Value>>,
}

impl Applicable<'_> {
    /// What applies, merged.
    pub fn effective(&self) -> Effective {
        let mut effective = Effective::default();
        for policy in self.iter() {
            let list = effective.policies.entry(policy.rule_type).or_default();
            let replaced = !policy.limits && list.iter().any(|other| other.in_force);
            let in_force = policy.mode == Mode::Enforce && !replaced;
            list.push(EffectivePolicy {
                policy_id: policy.id,
                name: policy.name.to_string(),
                version: policy.version,
                mode: policy.mode,
                target: policy.target,
                priority: policy.priority,
                in_force,
                config: policy.config.clone(),
            });
            if in_force {
                merge(&mut effective.merged, policy);
            }
        }
        effective
    }
}

fn merge(merged: &mut BTreeMap<&'static str, Map<String, Value>>, policy: &Bound) {
    let Some(config) = policy.config.as_object() else { return };
    if !policy.limits {
        merged.insert(policy.rule_type, config.clone());
        return;
    }
    // Limits that are counted apart from each other do not merge.
    if !matches!(policy.rule_type, "request_limits" | "run_limits") {
        return;
    }
    let limits = merged.entry(policy.rule_type).or_default();
    for (name, value) in config {
        let stricter = match (value, limits.get(name)) {
            (Value::Bool(value), other) => *value || other.is_none(),
            (value, other) => match (number(value), other.and_then(number)) {
                (Some(value), Some(other)) => value < other,
                (value, _) => value.is_some(),
            },
        };
        if stricter {
            limits.insert(name.clone(), value.clone());
        }
    }
}

/// A number, or an amount of money as text; only for comparing.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}
