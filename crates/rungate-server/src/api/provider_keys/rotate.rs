//! `POST /provider-keys/{id}/rotate`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rungate_core::agent::{ProviderKey, ProviderKeyStatus, Resource as _};
use rungate_core::ports::Write;
use rungate_core::secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::rules;
use super::view::ProviderKeyView;
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, to_json};
use crate::api::error::ApiError;
use crate::api::idempotency::Post;
use crate::api::json::{Checks, Request};
use crate::api::params::KeyId;
use crate::api::resources;
use crate::services::Services;

/// Another credential at the same provider.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotateProviderKey {
    /// The credential. Never shown again.
    #[schema(value_type = String, write_only)]
    secret: Secret,
}

impl Request for RotateProviderKey {
    fn check(&self, checks: &mut Checks) {
        rules::secret(checks, &self.secret);
    }
}

/// Replace the secret of a provider key.
#[utoipa::path(post, path = "/api/v1/provider-keys/{id}/rotate", tag = "Provider keys",
    params(("id" = String, Path)), request_body = RotateProviderKey,
    responses((status = 200, body = Envelope<ProviderKeyView>)))]
pub async fn rotate(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    KeyId(id): KeyId,
    Post { body, once }: Post<RotateProviderKey>,
) -> Result<Response, ApiError> {
    let mut key: ProviderKey = resources::require(&services, caller.workspace, id, "provider key").await?;
    (key.secret, key.masked_key) = rules::seal(&services, key.id(), &body.secret)?;
    key.last_verified_at = None;
    if key.status == ProviderKeyStatus::Error {
        key.status = ProviderKeyStatus::Active;
    }
    let key = key.touched(services.clock.now());
    let writes = vec![Write::update(&key)?];
    let answer = to_json(&Envelope::of(ProviderKeyView::from(key)))?;
    once.commit(&services, writes, StatusCode::OK, answer).await
}
