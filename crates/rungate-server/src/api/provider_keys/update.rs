//! `PATCH /provider-keys/{id}`

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::{ProviderKey, ProviderKeyStatus, Resource as _};
use rungate_core::ports::Write;
use serde::Deserialize;
use utoipa::ToSchema;

use super::rules;
use super::view::ProviderKeyView;
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Checks, Json, Later, Request, later, nullable};
use crate::api::params::KeyId;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Changes to a provider key. The provider is fixed; the secret is changed by `rotate`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateProviderKey {
    /// 1 to 100 characters.
    name: Option<String>,
    /// Null: the provider's own address.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    base_url: Option<Option<String>>,
    /// `active` or `inactive`.
    status: Option<Switch>,
    /// The models it offers, as globs; empty: all.
    models: Option<Vec<String>>,
    /// Further headers to send, all of them.
    headers: Option<BTreeMap<String, String>>,
    /// Lower first.
    priority: Option<u32>,
    /// Its share of requests where a policy spreads them by weight, 1 to 1000.
    weight: Option<u32>,
    /// The version this change rests on.
    version: Option<u64>,
}

/// Whether a provider key is in use.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// In use.
    Active,
    /// Not in use.
    Inactive,
}

impl Request for UpdateProviderKey {
    const LATER: &'static [Later] = &[later("departmentIds")];

    fn check(&self, checks: &mut Checks) {
        checks.length_of("name", self.name.as_ref(), 1..=100);
        checks.globs("models", self.models.as_deref().unwrap_or_default());
        if let Some(headers) = &self.headers {
            rules::headers(checks, headers);
        }
        rules::weight(checks, self.weight);
    }
}

/// Change a provider key.
#[utoipa::path(patch, path = "/api/v1/provider-keys/{id}", tag = "Provider keys", params(("id" = String, Path)),
    request_body = UpdateProviderKey, responses((status = 200, body = Envelope<ProviderKeyView>)))]
pub async fn update(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    KeyId(id): KeyId,
    if_match: IfMatch,
    Json(body): Json<UpdateProviderKey>,
) -> Result<Response, ApiError> {
    let key: ProviderKey = resources::require(&services, caller.workspace, id, "provider key").await?;
    if_match.check(body.version, &key.head)?;
    let changed = apply(&services, key, body)?.touched(services.clock.now());
    resources::commit(&services, vec![Write::update(&changed)?]).await?;
    Ok(ok(ProviderKeyView::from(changed)))
}

fn apply(
    services: &Services,
    mut key: ProviderKey,
    body: UpdateProviderKey,
) -> Result<ProviderKey, ApiError> {
    if let Some(base_url) = body.base_url {
        rules::base_url(services, rules::provider(&key.provider)?, base_url.as_deref())?;
        key.base_url = base_url;
    }
    key.status = match body.status {
        None => key.status,
        Some(Switch::Active) => ProviderKeyStatus::Active,
        Some(Switch::Inactive) => ProviderKeyStatus::Inactive,
    };
    key.name = body.name.unwrap_or(key.name);
    key.models = body.models.unwrap_or(key.models);
    key.headers = body.headers.unwrap_or(key.headers);
    key.priority = body.priority.unwrap_or(key.priority);
    key.weight = body.weight.unwrap_or(key.weight);
    Ok(key)
}
