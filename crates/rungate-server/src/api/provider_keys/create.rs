//! `POST /provider-keys`

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rungate_core::agent::{Head, ProviderKey, ProviderKeyStatus};
use rungate_core::id::ProviderKeyId;
use rungate_core::ports::{Write, fresh_uuid};
use rungate_core::secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::rules;
use super::view::ProviderKeyView;
use crate::api::auth::{Admin, Caller};
use crate::api::envelope::{Envelope, to_json};
use crate::api::error::ApiError;
use crate::api::idempotency::Post;
use crate::api::json::{Checks, Later, Request, later};
use crate::services::Services;

/// A new provider key.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateProviderKey {
    /// 1 to 100 characters.
    name: String,
    /// The provider's id, such as `openai`.
    provider: String,
    /// Another address than the provider's own, with or without a final `/v1`; required where the provider has none.
    #[serde(default)]
    base_url: Option<String>,
    /// The credential. Never shown again.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    secret: Option<Secret>,
    /// The models it offers, as globs; empty: all.
    #[serde(default)]
    models: Vec<String>,
    /// Further headers to send. Not for credentials.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Lower first, where several keys fit; default 100.
    #[serde(default)]
    priority: Option<u32>,
    /// Its share of requests where a policy spreads them by weight, 1 to 1000; default 1.
    #[serde(default)]
    weight: Option<u32>,
}

impl Request for CreateProviderKey {
    const LATER: &'static [Later] = &[later("departmentIds")];

    fn check(&self, checks: &mut Checks) {
        checks.length("name", &self.name, 1..=100);
        checks.globs("models", &self.models);
        rules::headers(checks, &self.headers);
        rules::weight(checks, self.weight);
        if let Some(secret) = &self.secret {
            rules::secret(checks, secret);
        }
    }
}

/// Add a provider key.
#[utoipa::path(post, path = "/api/v1/provider-keys", tag = "Provider keys", request_body = CreateProviderKey,
    responses((status = 201, body = Envelope<ProviderKeyView>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Post { body, once }: Post<CreateProviderKey>,
) -> Result<Response, ApiError> {
    let key = new_key(&services, &caller, body)?;
    let writes = vec![Write::insert(&key)?];
    let answer = to_json(&Envelope::of(ProviderKeyView::from(key)))?;
    once.commit(&services, writes, StatusCode::CREATED, answer).await
}

fn new_key(services: &Services, caller: &Caller, body: CreateProviderKey) -> Result<ProviderKey, ApiError> {
    let provider = rules::provider(&body.provider)?;
    rules::base_url(services, provider, body.base_url.as_deref())?;
    let secret = match body.secret {
        Some(secret) => secret,
        None if provider.secret_optional => Secret::new(String::new()),
        None => {
            return Err(ApiError::field("secret", "required", format!("is required for {}", provider.id)));
        }
    };
    let now = services.clock.now();
    let head = Head::new(fresh_uuid(&*services.entropy, now), caller.workspace, now);
    let (secret, masked_key) = rules::seal(services, ProviderKeyId::new(head.id), &secret)?;
    Ok(ProviderKey {
        head,
        name: body.name,
        provider: body.provider,
        base_url: body.base_url,
        secret,
        masked_key,
        status: ProviderKeyStatus::Active,
        models: body.models,
        headers: body.headers,
        priority: body.priority.unwrap_or(100),
        weight: body.weight.unwrap_or(1),
        last_verified_at: None,
    })
}
