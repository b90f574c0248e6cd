//! What a policy may be.

use rungate_core::agent::{Agent, VirtualKey};
use rungate_core::id::WorkspaceId;
use rungate_core::policy::{Policy, Target};
use rungate_core::ports;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::error::ApiError;
use crate::services::Services;

/// Types that are documented and decide nothing yet.
const LATER_TYPES: [&str; 3] = ["routing", "caching", "action"];
/// The same of fields of `logging`.
const LATER_LOGGING: [&str; 2] = ["retentionDays", "bodyRetentionDays"];

/// Whose requests a policy is for.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetBody {
    /// `workspace`, `agent` or `virtual_key`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which agent or key, by its UUID.
    #[serde(default)]
    pub id: Option<String>,
}

/// The target, which is in this workspace.
pub async fn target(
    services: &Services,
    workspace: WorkspaceId,
    body: &TargetBody,
) -> Result<Target, ApiError> {
    let target = Target::parse(&body.kind, body.id.as_deref())
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

/// Refuses what is not sound, and what would be stored and not kept to.
pub fn check(services: &Services, policy: &Policy) -> Result<(), ApiError> {
    if LATER_TYPES.contains(&policy.rule_type.as_str()) {
        return Err(ApiError::not_supported_yet("type"));
    }
    let is_sent = |field: &str| policy.config.get(field).is_some_and(|value| !value.is_null());
    if policy.rule_type == "logging"
        && let Some(field) = LATER_LOGGING.into_iter().find(|field| is_sent(field))
    {
        return Err(ApiError::not_supported_yet(&format!("config.{field}")));
    }
    let prices = services.prices.load();
    let directory = services.directories.load();
    let entry = directory.workspace(policy.head.workspace_id);
    let knows_model = |name: &str| {
        let is_alias = entry.is_some_and(|entry| entry.workspace.settings.model_aliases.contains_key(name));
        let in_catalogue = match name.split_once('/') {
            Some((provider, model)) => prices.model(provider, model).is_some(),
            None => {
                rungate_llm::providers::ALL.iter().any(|provider| prices.model(provider.id, name).is_some())
            }
        };
        is_alias || in_catalogue
    };
    policy.check(&knows_model).map_err(|error| {
        let path = match error.path.as_str() {
            own @ ("name" | "priority" | "isDefault" | "type") => own.to_owned(),
            "" => "config".to_owned(),
            inside => format!("config.{inside}"),
        };
        ApiError::field(path, "policy", error.reason)
    })
}

/// What a configuration that is not sent is.
pub fn no_config() -> Value {
    Value::Object(serde_json::Map::new())
}
