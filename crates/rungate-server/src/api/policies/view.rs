//! A policy on the wire.

use rungate_core::exchange::Mode;
use rungate_core::policy::{Policy, PolicyVersion, Target};
use rungate_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::view::HeadView;

/// A rule, and whose requests it is for.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Policy)]
pub struct PolicyView {
    /// Id, version of the resource, times.
    #[serde(flatten)]
    pub head: HeadView,
    /// Unique in the workspace.
    pub name: String,
    /// The type of its rule.
    #[serde(rename = "type")]
    pub rule_type: String,
    /// The configuration in force; the newest draft where none is.
    #[schema(value_type = Object)]
    pub config: Value,
    /// `enforce`, or `log_only`: decides and records, changes nothing.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// Switched off, it says nothing.
    pub enabled: bool,
    /// 0 to 1000; the lower goes first.
    pub priority: u16,
    /// `{type, id}`.
    #[schema(value_type = Object)]
    pub target: Value,
    /// Marks the policy that a workspace started with.
    pub is_default: bool,
    /// The version of the configuration in force; null while there are only drafts.
    pub active_version: Option<u64>,
}

impl From<Policy> for PolicyView {
    fn from(policy: Policy) -> Self {
        let target = match policy.target {
            Target::Workspace => json!({ "type": "workspace", "id": policy.head.workspace_id }),
            Target::Agent(id) => json!({ "type": "agent", "id": id }),
            Target::VirtualKey(id) => json!({ "type": "virtual_key", "id": id }),
        };
        Self {
            head: (&policy.head).into(),
            name: policy.name,
            rule_type: policy.rule_type,
            config: policy.config,
            mode: policy.mode,
            enabled: policy.enabled,
            priority: policy.priority,
            target,
            is_default: policy.is_default,
            active_version: policy.active_version,
        }
    }
}

/// One saved configuration.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PolicyVersion)]
pub struct PolicyVersionView {
    /// Counts from 1.
    pub number: u64,
    /// The configuration.
    #[schema(value_type = Object)]
    pub config: Value,
    /// When it was saved.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<PolicyVersion> for PolicyVersionView {
    fn from(version: PolicyVersion) -> Self {
        Self { number: version.number, config: version.config, created_at: version.head.created_at }
    }
}
