//! An agent on the wire.

use rungate_core::agent::{Agent, AgentSource, AgentStatus, AgentType, BodyCapture, Environment};
use rungate_core::budget::Budget;
use rungate_core::id::ProviderKeyId;
use rungate_core::secret::Secret;
use rungate_core::time::Timestamp;
use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::budgets::owned;
use crate::api::spend::Spend;
use crate::api::view::{HeadView, LimitsView, SpentView};

/// An agent.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Agent)]
pub struct AgentView {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: HeadView,
    /// `ai_agent`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub agent_type: AgentType,
    /// 1 to 100 characters.
    pub name: String,
    /// The readable id; interchangeable with `id`.
    pub external_id: String,
    /// Up to 2 000 characters.
    pub description: String,
    /// Up to 10 000 characters.
    pub about: String,
    /// `development`, `staging` or `production`.
    #[schema(value_type = String)]
    pub environment: Environment,
    /// The framework it is built with.
    pub framework: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// What it was told to be.
    pub system_prompt: Option<String>,
    /// The provider key its requests go through; null for self-reported agents.
    #[schema(value_type = Option<Uuid>)]
    pub master_key_id: Option<ProviderKeyId>,
    /// The same under its newer name.
    #[schema(value_type = Option<Uuid>)]
    pub provider_key_id: Option<ProviderKeyId>,
    /// The model of requests that name none.
    pub default_model: Option<String>,
    /// Globs; empty: all.
    pub allowed_models: Vec<String>,
    /// Globs; win over the allowed ones.
    pub blocked_models: Vec<String>,
    /// Budget and rate limits.
    #[serde(flatten)]
    pub limits: LimitsView,
    /// US dollars per month; null: none.
    #[schema(value_type = Option<f64>)]
    pub monthly_budget_usd: Option<Number>,
    /// Requests at once; null: no limit.
    pub max_concurrent: Option<u32>,
    /// Always empty in this version.
    pub policy_ids: Vec<Uuid>,
    /// Always null in this version.
    pub department_id: Option<Uuid>,
    /// Always `llm_gateway` in this version.
    pub runtime_type: &'static str,
    /// Requests without a run id are refused.
    pub require_run_tracking: bool,
    /// `full`, `redacted`, `none`; null: as the workspace has it.
    #[schema(value_type = Option<String>)]
    pub bodies: Option<BodyCapture>,
    /// `active`, `inactive` or `archived`.
    #[schema(value_type = String)]
    pub status: AgentStatus,
    /// Whether it is active.
    pub enabled: bool,
    /// `manual` or `self_reported`.
    #[schema(value_type = String)]
    pub source: AgentSource,
    /// How sure we are who it is: `registry_verified` or `self_reported`.
    pub trust: &'static str,
    /// Always null in this version.
    pub linked_endpoint_slug: Option<String>,
    /// Always null in this version: the log knows when it was last seen.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used: Option<Timestamp>,
    /// What it spent.
    #[serde(flatten)]
    pub spent: SpentView,
    /// The virtual key made with it: only in the answer that made both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_key: Option<FreshKeyView>,
}

/// A virtual key that was just made.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreshKeyView {
    /// Its id.
    pub id: Uuid,
    /// The start of the token.
    pub key_prefix: String,
    /// The token, shown once.
    pub full_token: String,
}

impl AgentView {
    /// The agent with what it spent, and the budget that stands on it.
    pub fn new(agent: Agent, spend: &Spend, budget: Option<&Budget>) -> Self {
        let limits = owned::view(budget, agent.limits);
        let is_reported = agent.source == AgentSource::SelfReported;
        Self {
            head: (&agent.head).into(),
            spent: spend.view(agent.external_id.as_str()),
            agent_type: agent.agent_type,
            name: agent.name,
            external_id: agent.external_id.to_string(),
            description: agent.description,
            about: agent.about,
            environment: agent.environment,
            framework: agent.framework,
            tags: agent.tags,
            system_prompt: agent.system_prompt,
            master_key_id: agent.provider_key_id,
            provider_key_id: agent.provider_key_id,
            default_model: agent.default_model,
            allowed_models: agent.allowed_models,
            blocked_models: agent.blocked_models,
            monthly_budget_usd: limits.budget.clone(),
            limits,
            max_concurrent: agent.limits.max_concurrent,
            policy_ids: Vec::new(),
            department_id: None,
            runtime_type: "llm_gateway",
            require_run_tracking: agent.require_run_tracking,
            bodies: agent.bodies,
            enabled: agent.status == AgentStatus::Active,
            status: agent.status,
            source: agent.source,
            trust: if is_reported { "self_reported" } else { "registry_verified" },
            linked_endpoint_slug: None,
            last_used: None,
            virtual_key: None,
        }
    }

    /// With the key that was made with it, this once.
    #[must_use]
    pub fn with_key(mut self, id: Uuid, key_prefix: String, token: &Secret) -> Self {
        self.virtual_key = Some(FreshKeyView { id, key_prefix, full_token: token.expose().to_owned() });
        self
    }
}
