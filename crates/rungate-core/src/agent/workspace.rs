//! Workspaces and their members.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agent::resource::{Head, Resource, ResourceKind, head};
use crate::id::{MemberId, WorkspaceId};

/// The tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// 1 to 100 characters.
    pub name: String,
    /// Lower case, digits and hyphens; unique.
    pub slug: String,
    /// IANA name; budgets and reports use it.
    pub timezone: String,
    /// What the workspace decided.
    pub settings: WorkspaceSettings,
}

/// What may be kept of request and response bodies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyCapture {
    /// Everything.
    #[default]
    Full,
    /// With secrets and personal data masked.
    Redacted,
    /// Nothing, previews neither.
    None,
}

impl BodyCapture {
    /// The one that keeps less.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        self.max(other)
    }
}

/// Whether agents that nobody registered may send requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelfReportedAgents {
    /// They may, marked as self-reported.
    #[default]
    Allow,
    /// 403 `agent_unknown`.
    Forbid,
}

/// Settings of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkspaceSettings {
    /// Refuse requests without a run id (400 `run_id_required`).
    pub require_run_id: bool,
    /// Whether unregistered agents are served.
    pub self_reported_agents: SelfReportedAgents,
    /// At most this many self-reported agents are remembered.
    pub max_self_reported_agents: u32,
    /// What is kept of bodies.
    pub bodies: BodyCapture,
    /// Days that rows are kept; the installation's default when absent.
    pub retention_days: Option<u32>,
    /// Days that bodies are kept; the installation's default when absent.
    pub body_retention_days: Option<u32>,
    /// The model of requests that name none, where neither agent nor key has one.
    pub default_model: Option<String>,
    /// The order in which provider keys are tried for a bare model id: provider ids.
    pub provider_order: Vec<String>,
    /// Names of the workspace for models: alias to `provider/id` or bare id.
    pub model_aliases: BTreeMap<String, String>,
    /// Minutes without activity after which a run is idle.
    pub idle_minutes: u32,
    /// Refuse what the run API otherwise tolerates.
    pub strict_run_api: bool,
}

impl Default for WorkspaceSettings {
    fn default() -> Self {
        Self {
            require_run_id: false,
            self_reported_agents: SelfReportedAgents::Allow,
            max_self_reported_agents: 1_000,
            bodies: BodyCapture::Full,
            retention_days: None,
            body_retention_days: None,
            default_model: None,
            provider_order: Vec::new(),
            model_aliases: BTreeMap::new(),
            idle_minutes: 30,
            strict_run_api: false,
        }
    }
}

impl Workspace {
    /// Its id.
    pub const fn id(&self) -> WorkspaceId {
        self.head.workspace_id
    }
}

impl Resource for Workspace {
    const KIND: ResourceKind = ResourceKind::Workspace;
    head!();
    fn unique(&self) -> Vec<(&'static str, String)> {
        vec![("slug", self.slug.clone())]
    }
    fn search_text(&self) -> String {
        self.name.clone()
    }
}

/// A person in a workspace. A first start makes one: the owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// Shown name.
    pub name: String,
    /// Address, once one is known.
    pub email: Option<String>,
    /// What the member may do.
    pub role: Role,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Owner,
}

impl Member {
    /// Its id.
    pub const fn id(&self) -> MemberId {
        MemberId::new(self.head.id)
    }
}

impl Resource for Member {
    const KIND: ResourceKind = ResourceKind::Member;
    head!();
    fn search_text(&self) -> String {
        self.name.clone()
    }
}
