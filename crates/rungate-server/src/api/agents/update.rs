//! `PATCH /agents/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::{
    Agent, AgentSource, AgentStatus, BodyCapture, Environment, OwnLimits, Resource as _,
};
use rungate_core::budget::{BudgetAction, Scope, Window};
use rungate_core::code::Code;
use rungate_core::id::ProviderKeyId;
use rungate_core::ports::Write;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::AgentView;
use super::{LATER, create, get};
use crate::api::auth::Writer;
use crate::api::budgets::owned::{self, Fields};
use crate::api::budgets::rules::Usd;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Checks, Json, Later, Request, nullable};
use crate::api::params::Name;
use crate::api::version::IfMatch;
use crate::api::{binding, resources};
use crate::services::Services;

/// Changes to an agent. Type and external id are fixed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateAgent {
    /// 1 to 100 characters.
    name: Option<String>,
    /// Up to 2 000 characters.
    description: Option<String>,
    /// Up to 10 000 characters.
    about: Option<String>,
    /// `development`, `staging` or `production`.
    #[schema(value_type = Option<String>)]
    environment: Option<Environment>,
    /// Null: unknown.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    framework: Option<Option<String>>,
    /// Labels, all of them.
    tags: Option<Vec<String>>,
    /// Null: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    system_prompt: Option<Option<String>>,
    /// The provider key its requests go through.
    #[serde(alias = "providerKeyId")]
    #[schema(value_type = Option<String>)]
    master_key_id: Option<ProviderKeyId>,
    /// Null: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    default_model: Option<Option<String>>,
    /// Globs; empty: all.
    allowed_models: Option<Vec<String>>,
    /// Globs; win over the allowed ones.
    blocked_models: Option<Vec<String>>,
    /// Refuse requests without a run id.
    require_run_tracking: Option<bool>,
    /// Null: as the workspace has it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    bodies: Option<Option<BodyCapture>>,
    /// US dollars that its requests may cost in one window; null: no budget.
    #[serde(default, alias = "budget", deserialize_with = "nullable")]
    #[schema(value_type = Option<f64>)]
    monthly_budget_usd: Option<Option<Usd>>,
    /// `daily`, `weekly`, `monthly`, `yearly` or `total`.
    #[schema(value_type = Option<String>)]
    budget_window: Option<Window>,
    /// What happens to a request that does not fit.
    #[schema(value_type = Option<String>)]
    budget_action: Option<BudgetAction>,
    /// Requests in any minute; null: no limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    rate_limit_rpm: Option<Option<u32>>,
    /// Requests in any hour; null: no limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    rate_limit_rph: Option<Option<u32>>,
    /// Requests at once; null: no limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    max_concurrent: Option<Option<u32>>,
    /// `active` or `inactive`.
    status: Option<Switch>,
    /// The same as a truth value.
    enabled: Option<bool>,
    /// The version this change rests on.
    version: Option<u64>,
}

/// Whether an agent's keys are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// They are.
    Active,
    /// They are refused.
    Inactive,
}

impl Request for UpdateAgent {
    const LATER: &'static [Later] = LATER;

    fn check(&self, checks: &mut Checks) {
        checks.length_of("name", self.name.as_ref(), 1..=100);
        checks.length_of("description", self.description.as_ref(), 0..=2_000);
        checks.length_of("about", self.about.as_ref(), 0..=10_000);
        checks.length_of("framework", self.framework.as_ref().and_then(Option::as_ref), 1..=100);
        checks.length_of("systemPrompt", self.system_prompt.as_ref().and_then(Option::as_ref), 0..=524_288);
        checks.length_of("defaultModel", self.default_model.as_ref().and_then(Option::as_ref), 1..=200);
        owned::check(
            checks,
            [
                ("rateLimitRpm", self.rate_limit_rpm.flatten()),
                ("rateLimitRph", self.rate_limit_rph.flatten()),
                ("maxConcurrent", self.max_concurrent.flatten()),
            ],
        );
        create::tags(checks, self.tags.as_deref().unwrap_or_default());
        checks.globs("allowedModels", self.allowed_models.as_deref().unwrap_or_default());
        checks.globs("blockedModels", self.blocked_models.as_deref().unwrap_or_default());
        let switches = (self.status.map(|status| status == Switch::Active), self.enabled);
        if let (Some(status), Some(enabled)) = switches
            && status != enabled
        {
            checks.fail("enabled", "conflict", "contradicts status");
        }
    }
}

/// Change an agent.
#[utoipa::path(patch, path = "/api/v1/agents/{id}", tag = "Agents", params(("id" = String, Path)),
    request_body = UpdateAgent, responses((status = 200, body = Envelope<AgentView>)))]
pub async fn update(
    State(services): State<Arc<Services>>,
    Writer(caller): Writer,
    Name(name): Name,
    if_match: IfMatch,
    Json(body): Json<UpdateAgent>,
) -> Result<Response, ApiError> {
    let agent = super::named(&services, caller.workspace, &name).await?;
    if_match.check(body.version, &agent.head)?;
    binding::provider_key(&services, caller.workspace, body.master_key_id).await?;
    let fields = Fields {
        name: "monthlyBudgetUsd",
        amount: body.monthly_budget_usd,
        window: body.budget_window,
        action: body.budget_action,
    };
    let changed = apply(agent, body)?.touched(services.clock.now());
    let scope = Scope::Agent(changed.id());
    let (budget, _) = owned::change(&services, caller.workspace, scope, fields).await?;
    let mut writes = vec![Write::update(&changed)?];
    writes.extend(budget);
    resources::commit(&services, writes).await?;
    Ok(ok(get::view(&services, changed).await))
}

fn apply(mut agent: Agent, body: UpdateAgent) -> Result<Agent, ApiError> {
    if agent.status == AgentStatus::Archived {
        return Err(ApiError::new(Code::InvalidRequest, "an archived agent cannot be changed").at("status"));
    }
    let active = body.status.map(|status| status == Switch::Active).or(body.enabled);
    if let Some(active) = active {
        agent.status = if active { AgentStatus::Active } else { AgentStatus::Inactive };
    }
    agent.name = body.name.unwrap_or(agent.name);
    agent.description = body.description.unwrap_or(agent.description);
    agent.about = body.about.unwrap_or(agent.about);
    agent.environment = body.environment.unwrap_or(agent.environment);
    agent.framework = body.framework.unwrap_or(agent.framework);
    agent.tags = body.tags.unwrap_or(agent.tags);
    agent.system_prompt = body.system_prompt.unwrap_or(agent.system_prompt);
    agent.provider_key_id = body.master_key_id.or(agent.provider_key_id);
    agent.default_model = body.default_model.unwrap_or(agent.default_model);
    agent.allowed_models = body.allowed_models.unwrap_or(agent.allowed_models);
    agent.blocked_models = body.blocked_models.unwrap_or(agent.blocked_models);
    agent.require_run_tracking = body.require_run_tracking.unwrap_or(agent.require_run_tracking);
    agent.bodies = body.bodies.unwrap_or(agent.bodies);
    agent.limits = OwnLimits {
        rate_limit_rpm: body.rate_limit_rpm.unwrap_or(agent.limits.rate_limit_rpm),
        rate_limit_rph: body.rate_limit_rph.unwrap_or(agent.limits.rate_limit_rph),
        max_concurrent: body.max_concurrent.unwrap_or(agent.limits.max_concurrent),
    };
    // A person who edits an agent that its traffic named has looked at it: from now on it is a registered one.
    agent.source = AgentSource::Manual;
    Ok(agent)
}
