//! What a policy may be.

use rungate_core::agent::{Agent, VirtualKey};
use rungate_core::id::{AgentRef, WorkspaceId};
use rungate_core::policy::{Policy, Routing, Target};
use rungate_core::ports;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::error::ApiError;
use crate::services::Services;

/// Types that are documented and decide nothing yet.
const LATER_TYPES: [&str; 1] = ["action"];

/// Whose requests a policy is for.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetBody {
    /// `workspace`, `agent` or `virtual_key`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which agent, by its UUID or its external id, or which key.
    #[serde(default)]
    pub id: Option<String>,
}

/// The target, which is in this workspace.
pub async fn target(
    services: &Services,
    workspace: WorkspaceId,
    body: &TargetBody,
) -> Result<Target, ApiError> {
    let agent = body.id.as_deref().filter(|_| body.kind == "agent").and_then(|id| {
        let reference = AgentRef::parse(id).ok()?;
        let directory = services.directories.load();
        let agent = directory.workspace(workspace)?.agent(&reference)?;
        Some(agent.head.id.to_string())
    });
    let id = agent.as_deref().or(body.id.as_deref());
    let target = Target::parse(&body.kind, id)
        .map_err(|error| ApiError::field("target", "target", error.to_string()))?;
    let is_known = match target {
        Target::Workspace => true,
        Target::Agent(id) => is_there::<Agent>(services, workspace, id.uuid()).await?,
        Target::VirtualKey(id) => is_there::<VirtualKey>(services, workspace, id.uuid()).await?,
    };
    if is_known {
        return Ok(target);
    }
    Err(ApiError::field("target.id", "unknown", "no such agent or virtual key in this workspace"))
}

async fn is_there<R: rungate_core::agent::Resource>(
    services: &Services,
    workspace: WorkspaceId,
    id: Uuid,
) -> Result<bool, ApiError> {
    Ok(ports::load::<R>(&*services.catalog, workspace, id).await?.is_some())
}

/// Refuses what is not sound, and what would be stored and not kept to. Of a configuration that was stored before, models that
/// are gone by now are let be: the policy must be possible to change and to switch off.
pub fn check(services: &Services, policy: &Policy, config: Config) -> Result<(), ApiError> {
    if LATER_TYPES.contains(&policy.rule_type.as_str()) {
        return Err(ApiError::not_supported_yet("type"));
    }
    let knows_model = |name: &str| config == Config::Stored || knows_model(services, policy, name);
    policy.check(&knows_model).map_err(|error| ApiError::field(error.path, "policy", error.reason))?;
    if policy.rule_type == "routing" && config == Config::New {
        return fallbacks(services, policy);
    }
    Ok(())
}

/// Whether each fallback leads somewhere else than those before it, and its provider key is one of the workspace.
fn fallbacks(services: &Services, policy: &Policy) -> Result<(), ApiError> {
    let routing: Routing = serde_json::from_value(policy.config.clone())
        .map_err(|error| ApiError::field("config", "policy", error.to_string()))?;
    let directory = services.directories.load();
    let Some(entry) = directory.workspace(policy.head.workspace_id) else { return Ok(()) };
    let aliases = &entry.workspace.settings.model_aliases;
    let mut seen = Vec::new();
    for (index, fallback) in routing.fallbacks.iter().enumerate() {
        let field = |name: &str| format!("config.fallbacks[{index}]{name}");
        if fallback.provider_key_id.is_some_and(|id| entry.provider_key(id).is_none()) {
            let message = "no such provider key in this workspace, or it is switched off";
            return Err(ApiError::field(field(".providerKeyId"), "unknown", message));
        }
        let mut model = fallback.model.as_str();
        let mut names = vec![model];
        while let Some(target) = aliases.get(model) {
            if names.contains(&target.as_str()) {
                let message = format!("the alias {model} leads back to itself: a cycle");
                return Err(ApiError::field(field(".model"), "policy", message));
            }
            model = target;
            names.push(model);
        }
        let place = (model, fallback.provider_key_id);
        if seen.contains(&place) {
            let message = format!("falls back to {model} again: a cycle");
            return Err(ApiError::field(field(""), "policy", message));
        }
        seen.push(place);
    }
    Ok(())
}

/// Where a configuration comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Config {
    /// Sent now.
    New,
    /// Stored before.
    Stored,
}

/// Whether a name is an alias of the workspace, a model of the catalogue, or one that its provider keys offer.
fn knows_model(services: &Services, policy: &Policy, name: &str) -> bool {
    let prices = services.prices.load();
    let directory = services.directories.load();
    let entry = directory.workspace(policy.head.workspace_id);
    let (provider, model) =
        name.split_once('/').map_or((None, name), |(provider, model)| (Some(provider), model));
    let is_own = entry.is_some_and(|entry| {
        entry.workspace.settings.model_aliases.contains_key(name)
            || entry.provider_keys.iter().any(|access| {
                provider.is_none_or(|provider| provider == access.provider.id)
                    && access.lists(model) == Some(true)
            })
    });
    is_own
        || match provider {
            Some(provider) => prices.model(provider, model).is_some(),
            None => {
                rungate_llm::providers::ALL.iter().any(|provider| prices.model(provider.id, name).is_some())
            }
        }
}

/// What a configuration that is not sent is.
pub fn no_config() -> Value {
    Value::Object(serde_json::Map::new())
}
