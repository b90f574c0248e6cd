//! Agents: the stable identities that cause traffic.

use serde::{Deserialize, Serialize};

use crate::agent::own_limits::OwnLimits;
use crate::agent::resource::{Head, Resource, ResourceKind, head};
use crate::agent::workspace::BodyCapture;
use crate::id::{AgentId, ExternalId, ProviderKeyId, WorkspaceId};

/// What an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentType {
    /// Calls models with a virtual key.
    AiAgent,
}

/// Where an agent runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Environment {
    #[default]
    Development,
    Staging,
    Production,
}

/// Whether an agent is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentStatus {
    /// In use.
    #[default]
    Active,
    /// Switched off: its keys are refused.
    Inactive,
    /// Deleted by a person; kept for its history.
    Archived,
}

/// How an agent came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentSource {
    /// A person registered it.
    Manual,
    /// Its traffic named it.
    SelfReported,
}

/// A registered or self-reported agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// What it is; fixed.
    #[serde(rename = "type")]
    pub agent_type: AgentType,
    /// 1 to 100 characters.
    pub name: String,
    /// The readable id; fixed; unique in the workspace.
    pub external_id: ExternalId,
    /// Up to 2 000 characters.
    pub description: String,
    /// Up to 10 000 characters.
    pub about: String,
    /// Where it runs.
    pub environment: Environment,
    /// The framework it is built with, if anybody said.
    pub framework: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// What the agent was told to be, if anybody said.
    pub system_prompt: Option<String>,
    /// The provider key its requests go through; `None` for self-reported agents.
    pub provider_key_id: Option<ProviderKeyId>,
    /// The model of requests that name none.
    pub default_model: Option<String>,
    /// Globs; empty: all that the provider key offers.
    pub allowed_models: Vec<String>,
    /// Globs; win over the allowed ones.
    pub blocked_models: Vec<String>,
    /// Refuse requests without a run id.
    pub require_run_tracking: bool,
    /// What is kept of bodies; the workspace's setting when absent.
    pub bodies: Option<BodyCapture>,
    /// Whether it is in use.
    pub status: AgentStatus,
    /// How it came to be known.
    pub source: AgentSource,
    /// Limits on its requests.
    #[serde(default)]
    pub limits: OwnLimits,
}

impl Agent {
    /// Its id.
    pub const fn id(&self) -> AgentId {
        AgentId::new(self.head.id)
    }

    /// The unique name of an external id in a workspace.
    pub fn unique_external_id(workspace: WorkspaceId, external_id: &ExternalId) -> String {
        format!("{workspace}/{external_id}")
    }
}

impl Resource for Agent {
    const KIND: ResourceKind = ResourceKind::Agent;
    head!();
    fn unique(&self) -> Vec<(&'static str, String)> {
        vec![("external_id", Self::unique_external_id(self.head.workspace_id, &self.external_id))]
    }
    fn facets(&self) -> Vec<(&'static str, String)> {
        let text = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        vec![
            ("status", text(serde_json::json!(self.status))),
            ("type", text(serde_json::json!(self.agent_type))),
            ("environment", text(serde_json::json!(self.environment))),
            ("source", text(serde_json::json!(self.source))),
        ]
    }
    fn search_text(&self) -> String {
        format!("{} {} {}", self.name, self.external_id, self.tags.join(" "))
    }
}
