//! Policies and their versions as resources.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::agent::{Head, Resource, ResourceKind, head};
use crate::exchange::Mode;
use crate::id::{AgentId, PolicyId, VirtualKeyId};
use crate::policy::config::ConfigError;
use crate::policy::rule_types::check;

/// Whose requests a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", content = "id")]
pub enum Target {
    /// All of the workspace.
    Workspace,
    /// Those of one agent.
    Agent(AgentId),
    /// Those with one key.
    VirtualKey(VirtualKeyId),
}

/// Why a target cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Reserved.
    #[error("{0} is not supported as a target yet: use workspace, agent or virtual_key")]
    NotYet(String),
    /// No such type.
    #[error("no such type of target: use workspace, agent or virtual_key")]
    Unknown,
    /// No id, or one that is not a UUID.
    #[error("{0} needs the id of one, a UUID")]
    BadId(&'static str),
}

impl Target {
    /// The target of that type and id; a workspace's id is not looked at, since a policy lies in its workspace.
    pub fn parse(kind: &str, id: Option<&str>) -> Result<Self, TargetError> {
        let uuid = |kind| id.and_then(|id| Uuid::parse_str(id).ok()).ok_or(TargetError::BadId(kind));
        match kind {
            "workspace" => Ok(Self::Workspace),
            "agent" => uuid("agent").map(|id| Self::Agent(AgentId::new(id))),
            "virtual_key" => uuid("virtual_key").map(|id| Self::VirtualKey(VirtualKeyId::new(id))),
            "department" | "endpoint" => Err(TargetError::NotYet(kind.to_owned())),
            _ => Err(TargetError::Unknown),
        }
    }

    fn facets(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Workspace => vec![("target", "workspace".to_owned())],
            Self::Agent(id) => vec![("target", "agent".to_owned()), ("target_id", id.to_string())],
            Self::VirtualKey(id) => vec![("target", "virtual_key".to_owned()), ("target_id", id.to_string())],
        }
    }
}

/// A rule that an operator set, and whose requests it is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Id, version of the resource, times.
    #[serde(flatten)]
    pub head: Head,
    /// 1 to 100 characters; unique in the workspace.
    pub name: String,
    /// The type of its rule, such as `model_access`; fixed.
    #[serde(rename = "type")]
    pub rule_type: String,
    /// The configuration of the active version; of the newest where none is active.
    pub config: Value,
    /// Whether it is kept to.
    pub mode: Mode,
    /// Switched off, it says nothing.
    pub enabled: bool,
    /// 0 to 1000; the lower goes first.
    pub priority: u16,
    /// Whose requests it is for.
    pub target: Target,
    /// Marks the policy that a workspace started with; decides nothing.
    pub is_default: bool,
    /// The version in force; `None` while there are only drafts.
    pub active_version: Option<u64>,
}

impl Policy {
    /// The highest priority number.
    pub const MAX_PRIORITY: u16 = 1_000;

    /// Its id.
    pub const fn id(&self) -> PolicyId {
        PolicyId::new(self.head.id)
    }

    /// Checks what a person may set. A model that a rule names must be one that `knows_model` accepts.
    pub fn check(&self, knows_model: &dyn Fn(&str) -> bool) -> Result<(), ConfigError> {
        let refuse =
            |path: &str, reason: &str| Err(ConfigError { path: path.to_owned(), reason: reason.to_owned() });
        if !(1..=100).contains(&self.name.chars().count()) || self.name.trim().is_empty() {
            return refuse("name", "must be 1 to 100 characters");
        }
        if self.priority > Self::MAX_PRIORITY {
            return refuse("priority", "must be 0 to 1000");
        }
        if self.is_default && self.target != Target::Workspace {
            return refuse("isDefault", "only a policy of the workspace can be its default");
        }
        check(&self.rule_type, &self.config, knows_model)
    }

    /// This policy as it would be with `version` active and enabled.
    #[must_use]
    pub fn with(&self, version: &PolicyVersion) -> Self {
        let active_version = Some(version.number);
        Self { config: version.config.clone(), active_version, enabled: true, ..self.clone() }
    }
}

impl Resource for Policy {
    const KIND: ResourceKind = ResourceKind::Policy;
    head!();
    fn unique(&self) -> Vec<(&'static str, String)> {
        vec![("name", format!("{}/{}", self.head.workspace_id, self.name))]
    }
    fn facets(&self) -> Vec<(&'static str, String)> {
        let mut facets = vec![("type", self.rule_type.clone()), ("enabled", self.enabled.to_string())];
        facets.extend(self.target.facets());
        facets
    }
    fn search_text(&self) -> String {
        format!("{} {}", self.name, self.rule_type)
    }
}

/// One saved configuration of a policy; a draft unless the policy names it as active. Never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyVersion {
    /// Id, version of the resource, times.
    #[serde(flatten)]
    pub head: Head,
    /// The policy.
    pub policy_id: PolicyId,
    /// Counts from 1.
    pub number: u64,
    /// The configuration as saved.
    pub config: Value,
}

impl Resource for PolicyVersion {
    const KIND: ResourceKind = ResourceKind::PolicyVersion;
    head!();
    fn unique(&self) -> Vec<(&'static str, String)> {
        vec![("number", format!("{}/{}", self.policy_id, self.number))]
    }
    fn facets(&self) -> Vec<(&'static str, String)> {
        vec![("policy_id", self.policy_id.to_string())]
    }
}
