//! `PATCH /policies/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::{Head, Resource as _};
use rungate_core::exchange::Mode;
use rungate_core::policy::{Policy, PolicyVersion};
use rungate_core::ports::{Write, fresh_uuid};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::rules::{self, TargetBody};
use super::versions;
use super::view::PolicyView;
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Json, Request};
use crate::api::params::Id;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Changes to a policy. The type of its rule is fixed; another configuration is another version.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdatePolicy {
    /// 1 to 100 characters.
    name: Option<String>,
    /// The configuration of the rule, all of it.
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    /// The configuration is saved, and not in force until it is activated.
    #[serde(default)]
    draft: bool,
    /// `enforce` or `log_only`.
    #[schema(value_type = Option<String>)]
    mode: Option<Mode>,
    /// Whether it says anything.
    enabled: Option<bool>,
    /// 0 to 1000.
    priority: Option<u16>,
    /// Whose requests it is for.
    target: Option<TargetBody>,
    /// Marks the policy that a workspace started with.
    is_default: Option<bool>,
    /// The version of the resource this change rests on.
    version: Option<u64>,
}

impl Request for UpdatePolicy {}

/// Change a policy. In force with the next request.
#[utoipa::path(patch, path = "/api/v1/policies/{id}", tag = "Policies", params(("id" = String, Path)),
    request_body = UpdatePolicy, responses((status = 200, body = Envelope<PolicyView>)))]
pub async fn update(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
    if_match: IfMatch,
    Json(body): Json<UpdatePolicy>,
) -> Result<Response, ApiError> {
    let mut policy: Policy = resources::require(&services, caller.workspace, id, "policy").await?;
    if_match.check(body.version, &policy.head)?;
    policy.name = body.name.unwrap_or(policy.name);
    policy.mode = body.mode.unwrap_or(policy.mode);
    policy.enabled = body.enabled.unwrap_or(policy.enabled);
    policy.priority = body.priority.unwrap_or(policy.priority);
    policy.is_default = body.is_default.unwrap_or(policy.is_default);
    if let Some(target) = &body.target {
        policy.target = rules::target(&services, caller.workspace, target).await?;
    }
    let now = services.clock.now();
    let mut writes = Vec::new();
    if let Some(config) = body.config {
        let draft = Policy { config, ..policy.clone() };
        rules::check(&services, &draft, rules::Config::New)?;
        let number = versions::last(&services, caller.workspace, policy.id()).await? + 1;
        let head = Head::new(fresh_uuid(&*services.entropy, now), caller.workspace, now);
        let version = PolicyVersion { head, policy_id: policy.id(), number, config: draft.config.clone() };
        writes.push(Write::insert(&version)?);
        if !body.draft {
            policy.active_version = Some(number);
        }
        if policy.active_version.is_none() || !body.draft {
            policy.config = draft.config;
        }
    }
    rules::check(&services, &policy, rules::Config::Stored)?;
    let policy = policy.touched(now);
    writes.push(Write::update(&policy)?);
    resources::commit(&services, writes).await?;
    Ok(ok(PolicyView::from(policy)))
}
