//! The settings of a workspace: how they are shown, changed and checked.

use std::collections::BTreeMap;

use rungate_core::agent::{BodyCapture, SelfReportedAgents, WorkspaceSettings};
use rungate_llm::providers;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::json::{Checks, nullable};

const MAX_RETENTION_DAYS: u32 = 3_650;
const MAX_ALIASES: usize = 500;
const MAX_IDLE_MINUTES: u32 = 43_200;
const MAX_SELF_REPORTED_AGENTS: u32 = 100_000;

/// Settings as they are in force.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WorkspaceSettings)]
pub struct SettingsView {
    /// Requests without a run id are refused.
    pub require_run_id: bool,
    /// `allow` or `forbid`.
    #[schema(value_type = String)]
    pub self_reported_agents: SelfReportedAgents,
    /// At most this many self-reported agents are remembered.
    pub max_self_reported_agents: u32,
    /// Settings of the run API.
    pub run_api: RunApiView,
    /// `full`, `redacted` or `none`.
    #[schema(value_type = String)]
    pub bodies: BodyCapture,
    /// Days that rows are kept; null: the installation's default.
    pub retention_days: Option<u32>,
    /// Days that bodies are kept; null: the installation's default.
    pub body_retention_days: Option<u32>,
    /// The model of requests that name none.
    pub default_model: Option<String>,
    /// The order in which providers are preferred for a bare model id.
    pub provider_order: Vec<String>,
    /// Names of the workspace's own for models.
    pub model_aliases: BTreeMap<String, String>,
}

/// Settings of the run API.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunApiView {
    /// What is otherwise tolerated is refused.
    pub strict: bool,
    /// Minutes without activity after which a run is idle.
    pub idle_minutes: u32,
}

impl From<WorkspaceSettings> for SettingsView {
    fn from(settings: WorkspaceSettings) -> Self {
        Self {
            require_run_id: settings.require_run_id,
            self_reported_agents: settings.self_reported_agents,
            max_self_reported_agents: settings.max_self_reported_agents,
            run_api: RunApiView { strict: settings.strict_run_api, idle_minutes: settings.idle_minutes },
            bodies: settings.bodies,
            retention_days: settings.retention_days,
            body_retention_days: settings.body_retention_days,
            default_model: settings.default_model,
            provider_order: settings.provider_order,
            model_aliases: settings.model_aliases,
        }
    }
}

/// Changes to the settings: what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateSettings {
    require_run_id: Option<bool>,
    #[schema(value_type = Option<String>)]
    self_reported_agents: Option<SelfReportedAgents>,
    /// 0 to 100 000.
    max_self_reported_agents: Option<u32>,
    run_api: Option<UpdateRunApi>,
    #[schema(value_type = Option<String>)]
    bodies: Option<BodyCapture>,
    /// 1 to 3 650; null: the installation's default.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    retention_days: Option<Option<u32>>,
    /// 1 to 3 650; null: the installation's default.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    body_retention_days: Option<Option<u32>>,
    /// Null: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    default_model: Option<Option<String>>,
    provider_order: Option<Vec<String>>,
    model_aliases: Option<BTreeMap<String, String>>,
}

/// Changes to the settings of the run API.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateRunApi {
    /// Whether what is otherwise tolerated is refused.
    strict: Option<bool>,
    /// 1 to 43 200.
    idle_minutes: Option<u32>,
}

impl UpdateSettings {
    /// Checks what the types cannot say.
    pub fn check(&self, checks: &mut Checks) {
        let mut range = |field: &str, value: Option<u32>, least: u32, most: u32| {
            if value.is_some_and(|value| !(least..=most).contains(&value)) {
                checks.fail(field, "range", format!("must be {least} to {most}"));
            }
        };
        range("settings.retentionDays", self.retention_days.flatten(), 1, MAX_RETENTION_DAYS);
        range("settings.bodyRetentionDays", self.body_retention_days.flatten(), 1, MAX_RETENTION_DAYS);
        range("settings.maxSelfReportedAgents", self.max_self_reported_agents, 0, MAX_SELF_REPORTED_AGENTS);
        let idle = self.run_api.as_ref().and_then(|run_api| run_api.idle_minutes);
        range("settings.runApi.idleMinutes", idle, 1, MAX_IDLE_MINUTES);
        checks.length_of(
            "settings.defaultModel",
            self.default_model.as_ref().and_then(Option::as_ref),
            1..=200,
        );
        for (at, id) in self.provider_order.iter().flatten().enumerate() {
            if providers::find(id).is_none() {
                let known: Vec<&str> = providers::ALL.iter().map(|provider| provider.id).collect();
                let message = format!("must be one of {}", known.join(", "));
                checks.fail(format!("settings.providerOrder[{at}]"), "one_of", message);
            }
        }
        if let Some(aliases) = &self.model_aliases {
            check_aliases(checks, aliases);
        }
    }

    /// The settings with the changes.
    pub fn apply(self, settings: &mut WorkspaceSettings) {
        fn set<T>(value: &mut T, change: Option<T>) {
            if let Some(change) = change {
                *value = change;
            }
        }
        set(&mut settings.require_run_id, self.require_run_id);
        set(&mut settings.self_reported_agents, self.self_reported_agents);
        set(&mut settings.max_self_reported_agents, self.max_self_reported_agents);
        let UpdateRunApi { strict, idle_minutes } = self.run_api.unwrap_or_default();
        set(&mut settings.idle_minutes, idle_minutes);
        set(&mut settings.strict_run_api, strict);
        set(&mut settings.bodies, self.bodies);
        set(&mut settings.retention_days, self.retention_days);
        set(&mut settings.body_retention_days, self.body_retention_days);
        set(&mut settings.default_model, self.default_model);
        set(&mut settings.provider_order, self.provider_order);
        set(&mut settings.model_aliases, self.model_aliases);
    }
}

/// An alias may name another, but in the end there must be a model.
fn check_aliases(checks: &mut Checks, aliases: &BTreeMap<String, String>) {
    if aliases.len() > MAX_ALIASES {
        checks.fail("settings.modelAliases", "length", format!("must have at most {MAX_ALIASES} aliases"));
    }
    for (alias, target) in aliases {
        let field = format!("settings.modelAliases.{alias}");
        checks.length(&field, alias, 1..=200);
        checks.length(&field, target, 1..=200);
        let mut model = target;
        let mut steps = 0;
        while let Some(next) = aliases.get(model) {
            steps += 1;
            if steps > aliases.len() {
                checks.fail(field, "cycle", "leads back to itself");
                break;
            }
            model = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(settings: serde_json::Value) -> String {
        let mut checks = Checks::default();
        serde_json::from_value::<UpdateSettings>(settings).unwrap().check(&mut checks);
        checks.finish().map_or_else(|error| format!("{error:?}"), |()| String::new())
    }

    #[test]
    fn settings_have_bounds() {
        use serde_json::json;
        assert_eq!(faults(json!({ "modelAliases": { "fast": "cheap", "cheap": "gpt-4o-mini" } })), "");
        assert!(faults(json!({ "modelAliases": { "a": "b", "b": "a" } })).contains("leads back to itself"));
        assert!(faults(json!({ "modelAliases": { "a": "a" } })).contains("leads back to itself"));
        assert!(faults(json!({ "retentionDays": 0 })).contains("settings.retentionDays"));
        assert!(
            faults(json!({ "providerOrder": ["openai", "nobody"] })).contains("settings.providerOrder[1]")
        );
        assert_eq!(faults(json!({ "retentionDays": null, "bodies": "redacted" })), "");
    }
}
