//! The policies of a workspace as they are, and as they would be with a draft among them.

use rungate_core::agent::{Head, Resource as _};
use rungate_core::id::WorkspaceId;
use rungate_core::policy::{Policy, PolicySet, Target};
use rungate_core::ports::{self, CatalogFilter};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::rules::{self, TargetBody};
use super::versions;
use crate::api::error::ApiError;
use crate::api::resources;
use crate::services::Services;

/// What is tried out.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draft {
    /// A stored policy, of which `version` or `config` takes the place; left out: one that is not stored.
    #[serde(default)]
    pub policy_id: Option<Uuid>,
    /// A saved version of it.
    #[serde(default)]
    pub version: Option<u64>,
    /// The type of one that is not stored.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// A configuration that is not saved.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub config: Option<Value>,
    /// Whose requests one that is not stored is for; left out: all of the workspace.
    #[serde(default)]
    pub target: Option<TargetBody>,
}

/// The policies as they are.
pub async fn current(services: &Services, workspace: WorkspaceId) -> Result<Vec<Policy>, ApiError> {
    resources::all(services, workspace, &CatalogFilter::default()).await
}

/// The policies with the draft in the place of what it changes.
pub async fn with(
    services: &Services,
    workspace: WorkspaceId,
    policies: Vec<Policy>,
    draft: Draft,
) -> Result<Vec<Policy>, ApiError> {
    let changed = match draft.policy_id {
        Some(id) => stored(services, workspace, id, &draft).await?,
        None => fresh(services, workspace, draft).await?,
    };
    rules::check(services, &changed, rules::Config::New)?;
    Ok(instead(policies, changed))
}

/// The policies with one in the place of what it was before.
pub fn instead(mut policies: Vec<Policy>, changed: Policy) -> Vec<Policy> {
    policies.retain(|policy| policy.id() != changed.id());
    policies.push(changed);
    policies
}

/// Compiles policies; one that cannot be read is said.
pub fn compile<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Result<PolicySet, ApiError> {
    PolicySet::compile(policies).map_err(|bad| {
        ApiError::field("draft", "policy", format!("policy {} cannot be read: {}", bad.id, bad.error))
    })
}

async fn stored(
    services: &Services,
    workspace: WorkspaceId,
    id: Uuid,
    draft: &Draft,
) -> Result<Policy, ApiError> {
    let Some(policy) = ports::load::<Policy>(&*services.catalog, workspace, id).await? else {
        return Err(ApiError::field("draft.policyId", "unknown", "no such policy in this workspace"));
    };
    if let Some(config) = &draft.config {
        let next = policy.active_version.unwrap_or(0) + 1;
        return Ok(Policy { config: config.clone(), enabled: true, active_version: Some(next), ..policy });
    }
    let Some(number) = draft.version else {
        return Err(ApiError::field("draft.version", "required", "name a saved version, or give a config"));
    };
    versions::with(services, &policy, number)
        .await
        .map_err(|_| ApiError::field("draft.version", "unknown", "the policy has no version of this number"))
}

async fn fresh(services: &Services, workspace: WorkspaceId, draft: Draft) -> Result<Policy, ApiError> {
    let Some(rule_type) = draft.kind else {
        return Err(ApiError::field("draft.type", "required", "name the type of the draft, or a policyId"));
    };
    let target = match &draft.target {
        None => Target::Workspace,
        Some(target) => rules::target(services, workspace, target).await?,
    };
    let now = services.clock.now();
    Ok(Policy {
        head: Head::new(ports::fresh_uuid(&*services.entropy, now), workspace, now),
        name: "draft".to_owned(),
        rule_type,
        config: draft.config.unwrap_or_else(rules::no_config),
        mode: rungate_core::exchange::Mode::Enforce,
        enabled: true,
        priority: 0,
        target,
        is_default: false,
        active_version: Some(1),
    }
    .touched(now))
}
