//! `POST /virtual-keys`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rungate_core::agent::{ExpiryPreset, Head, KeyStatus, OwnLimits, RunApiLimits, VirtualKey};
use rungate_core::budget::{BudgetAction, Scope, Window};
use rungate_core::id::ProviderKeyId;
use rungate_core::ports::{Write, fresh_uuid};
use rungate_core::time::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::owner::{self, EntityType};
use super::view::VirtualKeyView;
use super::{LATER, expiry};
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

/// A new virtual key. Only the label is needed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateVirtualKey {
    /// 1 to 100 characters.
    label: String,
    /// The provider key its requests go through; absent: any usable one.
    #[serde(default, alias = "providerKeyId")]
    #[schema(value_type = Option<String>)]
    master_key_id: Option<ProviderKeyId>,
    /// Whom it stands for; absent: the member who makes it.
    #[serde(default)]
    entity_type: Option<EntityType>,
    /// An agent by either of its ids, or a member.
    #[serde(default)]
    entity_id: Option<String>,
    /// The model of requests that name none.
    #[serde(default)]
    default_model: Option<String>,
    /// Globs; empty: all.
    #[serde(default)]
    allowed_models: Vec<String>,
    /// Globs; win over the allowed ones.
    #[serde(default)]
    blocked_models: Vec<String>,
    /// US dollars that its requests may cost in one window; null or absent: no budget.
    #[serde(default)]
    #[schema(value_type = Option<f64>)]
    budget: Option<Usd>,
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
    /// Requests of the run API in any minute; absent: 600.
    #[serde(default)]
    run_api_rpm: Option<u32>,
    /// Requests of the run API in any hour; absent: 10 000.
    #[serde(default)]
    run_api_rph: Option<u32>,
    /// `never` (default), `7d`, `30d`, `90d` or `custom`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    expiry_preset: Option<ExpiryPreset>,
    /// For `custom`.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl Request for CreateVirtualKey {
    const LATER: &'static [Later] = LATER;

    fn check(&self, checks: &mut Checks) {
        checks.length("label", &self.label, 1..=100);
        checks.length_of("defaultModel", self.default_model.as_ref(), 1..=200);
        checks.globs("allowedModels", &self.allowed_models);
        checks.globs("blockedModels", &self.blocked_models);
        owned::check(
            checks,
            [
                ("rateLimitRpm", self.rate_limit_rpm),
                ("rateLimitRph", self.rate_limit_rph),
                ("maxConcurrent", self.max_concurrent),
                ("runApiRpm", self.run_api_rpm),
                ("runApiRph", self.run_api_rph),
            ],
        );
    }
}

/// Make a virtual key; its token is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/virtual-keys", tag = "Virtual keys", request_body = CreateVirtualKey,
    responses((status = 201, body = Envelope<VirtualKeyView>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Writer(caller): Writer,
    Post { body, once }: Post<CreateVirtualKey>,
) -> Result<Response, ApiError> {
    let fresh = tokens::virtual_key(&*services.entropy, &body.label);
    let (amount, window, action) = (body.budget.map(Some), body.budget_window, body.budget_action);
    let key = new_key(&services, &caller, body, &fresh).await?;
    let fields = Fields { name: "budget", amount, window, action };
    let (budget, stands) =
        owned::change(&services, caller.workspace, Scope::VirtualKey(key.id()), fields).await?;
    let mut writes = vec![Write::insert(&key)?];
    writes.extend(budget);
    let view = VirtualKeyView::new(key, &Spend::nothing(), stands.as_ref(), services.clock.now())
        .with_token(&fresh.token);
    once.commit(&services, writes, StatusCode::CREATED, to_json(&Envelope::of(view))?).await
}

async fn new_key(
    services: &Services,
    caller: &Caller,
    body: CreateVirtualKey,
    fresh: &tokens::Fresh,
) -> Result<VirtualKey, ApiError> {
    let owner = owner::resolve(services, caller, body.entity_type, body.entity_id.as_deref()).await?;
    let provider_key_id = binding::provider_key(services, caller.workspace, body.master_key_id).await?;
    let now = services.clock.now();
    let (expiry_preset, expires_at) = expiry::resolve(body.expiry_preset, body.expires_at, now)?;
    Ok(VirtualKey {
        head: Head::new(fresh_uuid(&*services.entropy, now), caller.workspace, now),
        label: body.label,
        key_prefix: fresh.prefix.clone(),
        token_hash: services.hasher.hash(fresh.token.expose()),
        previous: None,
        status: KeyStatus::Active,
        disabled_by: None,
        owner,
        provider_key_id,
        default_model: body.default_model,
        allowed_models: body.allowed_models,
        blocked_models: body.blocked_models,
        expires_at,
        expiry_preset,
        limits: OwnLimits {
            rate_limit_rpm: body.rate_limit_rpm,
            rate_limit_rph: body.rate_limit_rph,
            max_concurrent: body.max_concurrent,
        },
        run_api: RunApiLimits { per_minute: body.run_api_rpm, per_hour: body.run_api_rph },
    })
}
