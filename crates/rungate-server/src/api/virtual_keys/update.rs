//! `PATCH /virtual-keys/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::{ExpiryPreset, KeyStatus, OwnLimits, Resource as _, RunApiLimits, VirtualKey};
use rungate_core::budget::{BudgetAction, Scope, Window};
use rungate_core::code::Code;
use rungate_core::id::ProviderKeyId;
use rungate_core::ports::Write;
use rungate_core::time::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::VirtualKeyView;
use super::{LATER, expiry, get};
use crate::api::auth::Writer;
use crate::api::budgets::owned::{self, Fields};
use crate::api::budgets::rules::Usd;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Checks, Json, Later, Request, nullable};
use crate::api::params::KeyId;
use crate::api::version::IfMatch;
use crate::api::{binding, resources};
use crate::services::Services;

/// Changes to a virtual key; whom it stands for is fixed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateVirtualKey {
    /// 1 to 100 characters.
    label: Option<String>,
    /// `active` or `disabled`.
    status: Option<Switch>,
    /// Null: any usable one.
    #[serde(default, alias = "providerKeyId", deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    master_key_id: Option<Option<ProviderKeyId>>,
    /// Null: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    default_model: Option<Option<String>>,
    /// Globs; empty: all.
    allowed_models: Option<Vec<String>>,
    /// Globs; win over the allowed ones.
    blocked_models: Option<Vec<String>>,
    /// US dollars that its requests may cost in one window; null: no budget.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<f64>)]
    budget: Option<Option<Usd>>,
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
    /// Requests of the run API in any minute; null: 600.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    run_api_rpm: Option<Option<u32>>,
    /// Requests of the run API in any hour; null: 10 000.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    run_api_rph: Option<Option<u32>>,
    /// `never`, `7d`, `30d`, `90d` (from now on) or `custom`.
    #[schema(value_type = Option<String>)]
    expiry_preset: Option<ExpiryPreset>,
    /// For `custom`; null: never.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
    /// The version this change rests on.
    version: Option<u64>,
}

/// Whether a virtual key is accepted.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// Accepted.
    Active,
    /// Refused, until it is switched on again.
    Disabled,
}

impl Request for UpdateVirtualKey {
    const LATER: &'static [Later] = LATER;

    fn check(&self, checks: &mut Checks) {
        checks.length_of("label", self.label.as_ref(), 1..=100);
        checks.length_of("defaultModel", self.default_model.as_ref().and_then(Option::as_ref), 1..=200);
        checks.globs("allowedModels", self.allowed_models.as_deref().unwrap_or_default());
        checks.globs("blockedModels", self.blocked_models.as_deref().unwrap_or_default());
        owned::check(
            checks,
            [
                ("rateLimitRpm", self.rate_limit_rpm.flatten()),
                ("rateLimitRph", self.rate_limit_rph.flatten()),
                ("maxConcurrent", self.max_concurrent.flatten()),
                ("runApiRpm", self.run_api_rpm.flatten()),
                ("runApiRph", self.run_api_rph.flatten()),
            ],
        );
    }
}

/// Change a virtual key. In force on this node when it is answered, on every other within a second.
#[utoipa::path(patch, path = "/api/v1/virtual-keys/{id}", tag = "Virtual keys", params(("id" = String, Path)),
    request_body = UpdateVirtualKey, responses((status = 200, body = Envelope<VirtualKeyView>)))]
pub async fn update(
    State(services): State<Arc<Services>>,
    Writer(caller): Writer,
    KeyId(id): KeyId,
    if_match: IfMatch,
    Json(body): Json<UpdateVirtualKey>,
) -> Result<Response, ApiError> {
    let key: VirtualKey = resources::require(&services, caller.workspace, id, "virtual key").await?;
    if_match.check(body.version, &key.head)?;
    if let Some(provider_key) = body.master_key_id {
        binding::provider_key(&services, caller.workspace, provider_key).await?;
    }
    let now = services.clock.now();
    let (amount, window, action) = (body.budget, body.budget_window, body.budget_action);
    let changed = apply(key, body, now)?.touched(now);
    let fields = Fields { name: "budget", amount, window, action };
    let scope = Scope::VirtualKey(changed.id());
    let (budget, _) = owned::change(&services, caller.workspace, scope, fields).await?;
    let mut writes = vec![Write::update(&changed)?];
    writes.extend(budget);
    resources::commit(&services, writes).await?;
    Ok(ok(get::view(&services, changed).await))
}

fn apply(mut key: VirtualKey, body: UpdateVirtualKey, now: Timestamp) -> Result<VirtualKey, ApiError> {
    if let Some(switch) = body.status {
        if key.status == KeyStatus::Revoked {
            let message = "a revoked key stays revoked; make a new one";
            return Err(ApiError::new(Code::InvalidRequest, message).at("status"));
        }
        key.disabled_by = None;
        key.status = match switch {
            Switch::Active => KeyStatus::Active,
            Switch::Disabled => KeyStatus::Disabled,
        };
    }
    if body.expiry_preset.is_some() || body.expires_at.is_some() {
        (key.expiry_preset, key.expires_at) =
            expiry::resolve(body.expiry_preset, body.expires_at.flatten(), now)?;
    }
    key.limits = OwnLimits {
        rate_limit_rpm: body.rate_limit_rpm.unwrap_or(key.limits.rate_limit_rpm),
        rate_limit_rph: body.rate_limit_rph.unwrap_or(key.limits.rate_limit_rph),
        max_concurrent: body.max_concurrent.unwrap_or(key.limits.max_concurrent),
    };
    key.run_api = RunApiLimits {
        per_minute: body.run_api_rpm.unwrap_or(key.run_api.per_minute),
        per_hour: body.run_api_rph.unwrap_or(key.run_api.per_hour),
    };
    key.label = body.label.unwrap_or(key.label);
    key.provider_key_id = body.master_key_id.unwrap_or(key.provider_key_id);
    key.default_model = body.default_model.unwrap_or(key.default_model);
    key.allowed_models = body.allowed_models.unwrap_or(key.allowed_models);
    key.blocked_models = body.blocked_models.unwrap_or(key.blocked_models);
    Ok(key)
}
