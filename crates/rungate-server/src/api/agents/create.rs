//! `POST /agents`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rungate_core::agent::{
    Agent, AgentSource, AgentStatus, AgentType, BodyCapture, Environment, ExpiryPreset, Head, KeyOwner,
    KeyStatus, OwnLimits, VirtualKey,
};
use rungate_core::budget::{BudgetAction, Scope, Window};
use rungate_core::code::Code;
use rungate_core::id::{AgentRef, ExternalId, ProviderKeyId};
use rungate_core::ports::{Write, fresh_uuid};
use serde::Deserialize;
use utoipa::ToSchema;

use super::LATER;
use super::view::AgentView;
use crate::api::auth::{Caller, Writer};
use crate::api::budgets::owned::{self, Fields};
use crate::api::budgets::rules::Usd;
use crate::api::envelope::{Envelope, to_json};
use crate::api::error::ApiError;
use crate::api::idempotency::Post;
use crate::api::json::{Checks, Later, Request};
use crate::api::spend::Spend;
use crate::api::{binding, tokens};
use crate::services::Services;

const MAX_TAGS: usize = 50;

/// A new agent.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateAgent {
    /// `ai_agent`.
    #[serde(rename = "type")]
    agent_type: Type,
    /// 1 to 100 characters.
    name: String,
    /// The readable id; absent: made from the name.
    #[serde(default)]
    external_id: Option<String>,
    /// Up to 2 000 characters.
    #[serde(default)]
    description: Option<String>,
    /// Up to 10 000 characters.
    #[serde(default)]
    about: Option<String>,
    /// `development` (default), `staging` or `production`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    environment: Option<Environment>,
    /// The framework it is built with.
    #[serde(default)]
    framework: Option<String>,
    /// Labels.
    #[serde(default)]
    tags: Vec<String>,
    /// What it is told to be.
    #[serde(default)]
    system_prompt: Option<String>,
    /// The provider key its requests go through.
    #[serde(default, alias = "providerKeyId")]
    #[schema(value_type = Option<String>)]
    master_key_id: Option<ProviderKeyId>,
    /// The model of requests that name none.
    #[serde(default)]
    default_model: Option<String>,
    /// Globs; empty: all that the provider key offers.
    #[serde(default)]
    allowed_models: Vec<String>,
    /// Globs; win over the allowed ones.
    #[serde(default)]
    blocked_models: Vec<String>,
    /// Refuse requests without a run id.
    #[serde(default)]
    require_run_tracking: Option<bool>,
    /// `full`, `redacted` or `none`; absent: as the workspace has it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    bodies: Option<BodyCapture>,
    /// US dollars that its requests may cost in one window; null or absent: no budget.
    #[serde(default, alias = "budget")]
    #[schema(value_type = Option<f64>)]
    monthly_budget_usd: Option<Usd>,
    /// `daily`, `weekly`, `monthly` (default), `yearly` or `total`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    budget_window: Option<Window>,
    /// What happens to a request that does not fit; `block_requests` by default.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    budget_action: Option<BudgetAction>,
    /// Requests in any minute; absent: no limit.
    #[serde(default)]
    rate_limit_rpm: Option<u32>,
    /// Requests in any hour; absent: no limit.
    #[serde(default)]
    rate_limit_rph: Option<u32>,
    /// Requests at once; absent: no limit.
    #[serde(default)]
    max_concurrent: Option<u32>,
    /// Whether its keys are accepted; true when absent.
    #[serde(default)]
    enabled: Option<bool>,
}

/// What an agent can be.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Calls models with a virtual key.
    AiAgent,
    /// An external runtime that Rungate calls: not in this version.
    WorkflowAgent,
}

impl Request for CreateAgent {
    const LATER: &'static [Later] = LATER;

    fn check(&self, checks: &mut Checks) {
        checks.length("name", &self.name, 1..=100);
        checks.length_of("description", self.description.as_ref(), 0..=2_000);
        checks.length_of("about", self.about.as_ref(), 0..=10_000);
        checks.length_of("framework", self.framework.as_ref(), 1..=100);
        checks.length_of("systemPrompt", self.system_prompt.as_ref(), 0..=524_288);
        checks.length_of("defaultModel", self.default_model.as_ref(), 1..=200);
        tags(checks, &self.tags);
        owned::check(
            checks,
            [
                ("rateLimitRpm", self.rate_limit_rpm),
                ("rateLimitRph", self.rate_limit_rph),
                ("maxConcurrent", self.max_concurrent),
            ],
        );
        checks.globs("allowedModels", &self.allowed_models);
        checks.globs("blockedModels", &self.blocked_models);
        if let Some(id) = &self.external_id
            && !matches!(AgentRef::parse(id), Ok(AgentRef::External(_)))
        {
            let message = "must be 2 to 128 characters of A-Z a-z 0-9 _ . : - that start with a letter or digit, and no UUID";
            checks.fail("externalId", "format", message);
        }
    }
}

/// The rules of labels.
pub fn tags(checks: &mut Checks, tags: &[String]) {
    if tags.len() > MAX_TAGS {
        checks.fail("tags", "length", format!("must have at most {MAX_TAGS} labels"));
    }
    for (at, tag) in tags.iter().enumerate() {
        checks.length(&format!("tags[{at}]"), tag, 1..=50);
    }
}

/// Make an agent and its virtual key, whose token is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/agents", tag = "Agents", request_body = CreateAgent,
    responses((status = 201, body = Envelope<AgentView>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Writer(caller): Writer,
    Post { body, once }: Post<CreateAgent>,
) -> Result<Response, ApiError> {
    if let Type::WorkflowAgent = body.agent_type {
        return Err(ApiError::not_supported_yet("type"));
    }
    if body.master_key_id.is_none() {
        return Err(ApiError::field("masterKeyId", "required", "is required for an AI Agent"));
    }
    binding::provider_key(&services, caller.workspace, body.master_key_id).await?;
    let fields = Fields {
        name: "monthlyBudgetUsd",
        amount: body.monthly_budget_usd.map(Some),
        window: body.budget_window,
        action: body.budget_action,
    };
    let agent = new_agent(&services, &caller, body)?;
    let (budget, stands) =
        owned::change(&services, caller.workspace, Scope::Agent(agent.id()), fields).await?;
    let fresh = tokens::virtual_key(&*services.entropy, "agent");
    let key = new_key(&services, &agent, &fresh);
    let mut writes = vec![Write::insert(&agent)?, Write::insert(&key)?];
    writes.extend(budget);
    let view = AgentView::new(agent, &Spend::nothing(), stands.as_ref()).with_key(
        key.head.id,
        key.key_prefix,
        &fresh.token,
    );
    let answer = to_json(&Envelope::of(view))?;
    once.commit(&services, writes, StatusCode::CREATED, answer).await.map_err(|error| match error.code() {
        Code::AlreadyExists => error.at("externalId"),
        _ => error,
    })
}

fn new_agent(services: &Services, caller: &Caller, body: CreateAgent) -> Result<Agent, ApiError> {
    let made = || tokens::external_id(&*services.entropy, &body.name);
    let external_id = ExternalId::parse(&body.external_id.clone().unwrap_or_else(made))
        .map_err(|error| ApiError::new(Code::InvalidRequest, error.to_string()).at("externalId"))?;
    let now = services.clock.now();
    Ok(Agent {
        head: Head::new(fresh_uuid(&*services.entropy, now), caller.workspace, now),
        agent_type: AgentType::AiAgent,
        name: body.name,
        external_id,
        description: body.description.unwrap_or_default(),
        about: body.about.unwrap_or_default(),
        environment: body.environment.unwrap_or_default(),
        framework: body.framework,
        tags: body.tags,
        system_prompt: body.system_prompt,
        provider_key_id: body.master_key_id,
        default_model: body.default_model,
        allowed_models: body.allowed_models,
        blocked_models: body.blocked_models,
        require_run_tracking: body.require_run_tracking.unwrap_or_default(),
        bodies: body.bodies,
        status: if body.enabled == Some(false) { AgentStatus::Inactive } else { AgentStatus::Active },
        source: AgentSource::Manual,
        limits: OwnLimits {
            rate_limit_rpm: body.rate_limit_rpm,
            rate_limit_rph: body.rate_limit_rph,
            max_concurrent: body.max_concurrent,
        },
    })
}

/// The key follows its agent's provider key, so it names none itself.
fn new_key(services: &Services, agent: &Agent, fresh: &tokens::Fresh) -> VirtualKey {
    let now = agent.head.created_at;
    VirtualKey {
        head: Head::new(fresh_uuid(&*services.entropy, now), agent.head.workspace_id, now),
        label: format!("agent:{}", agent.name).chars().take(100).collect(),
        key_prefix: fresh.prefix.clone(),
        token_hash: services.hasher.hash(fresh.token.expose()),
        previous: None,
        status: KeyStatus::Active,
        disabled_by: None,
        owner: KeyOwner::Agent(agent.id()),
        provider_key_id: None,
        default_model: None,
        allowed_models: Vec::new(),
        blocked_models: Vec::new(),
        expires_at: None,
        expiry_preset: ExpiryPreset::Never,
        limits: OwnLimits::default(),
        run_api: rungate_core::agent::RunApiLimits::default(),
    }
}
