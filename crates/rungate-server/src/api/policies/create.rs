//! `POST /policies`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rungate_core::agent::Head;
use rungate_core::exchange::Mode;
use rungate_core::policy::{Policy, PolicyVersion};
use rungate_core::ports::{Write, fresh_uuid};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::rules::{self, TargetBody};
use super::view::PolicyView;
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, to_json};
use crate::api::error::ApiError;
use crate::api::idempotency::Post;
use crate::api::json::Request;
use crate::services::Services;

/// A new policy.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreatePolicy {
    /// 1 to 100 characters; unique in the workspace.
    name: String,
    /// The type of its rule, such as `rate_limit`.
    #[serde(rename = "type")]
    rule_type: String,
    /// The configuration of the rule.
    #[serde(default = "rules::no_config")]
    #[schema(value_type = Object)]
    config: Value,
    /// `enforce` (absent) or `log_only`.
    #[schema(value_type = Option<String>)]
    mode: Option<Mode>,
    /// Absent: yes.
    enabled: Option<bool>,
    /// 0 to 1000, the lower first; absent: 100.
    priority: Option<u16>,
    /// Absent: the workspace.
    target: Option<TargetBody>,
    /// Marks the policy that a workspace started with.
    #[serde(default)]
    is_default: bool,
    /// Saved, and not in force until it is activated.
    #[serde(default)]
    draft: bool,
}

impl Request for CreatePolicy {}

/// Set a policy. In force with the next request, unless it is a draft.
#[utoipa::path(post, path = "/api/v1/policies", tag = "Policies", request_body = CreatePolicy,
    responses((status = 201, body = Envelope<PolicyView>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Post { body, once }: Post<CreatePolicy>,
) -> Result<Response, ApiError> {
    let target = TargetBody { kind: "workspace".to_owned(), id: None };
    let target = body.target.as_ref().unwrap_or(&target);
    let now = services.clock.now();
    let head = || Head::new(fresh_uuid(&*services.entropy, now), caller.workspace, now);
    let policy = Policy {
        head: head(),
        name: body.name,
        rule_type: body.rule_type,
        config: body.config,
        mode: body.mode.unwrap_or(Mode::Enforce),
        enabled: body.enabled.unwrap_or(true),
        priority: body.priority.unwrap_or(100),
        target: rules::target(&services, caller.workspace, target).await?,
        is_default: body.is_default,
        active_version: (!body.draft).then_some(1),
    };
    rules::check(&services, &policy, rules::Config::New)?;
    let first =
        PolicyVersion { head: head(), policy_id: policy.id(), number: 1, config: policy.config.clone() };
    let writes = vec![Write::insert(&policy)?, Write::insert(&first)?];
    let answer = to_json(&Envelope::of(PolicyView::from(policy)))?;
    once.commit(&services, writes, StatusCode::CREATED, answer).await
}
