//! `POST /provider-keys/{id}/verify`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::{ProviderKey, ProviderKeyStatus, Resource as _};
use rungate_core::ports::Write;
use rungate_gateway::directory::ProviderAccess;
use rungate_gateway::upstream::probe::{Probed, probe};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::KeyId;
use crate::api::resources;
use crate::services::Services;

/// What the provider says of a key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Whether the provider accepted the key.
    ok: bool,
    /// The provider's HTTP status; null when it could not be asked.
    status: Option<u16>,
    /// The models it listed.
    models: Vec<String>,
    /// Why it could not be asked or did not accept.
    reason: Option<String>,
}

/// Ask the provider whether it accepts the key. A refusal (401, 403) sets the key's status to `error`.
#[utoipa::path(post, path = "/api/v1/provider-keys/{id}/verify", tag = "Provider keys", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<Verified>)))]
pub async fn verify(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    KeyId(id): KeyId,
) -> Result<Response, ApiError> {
    let key: ProviderKey = resources::require(&services, caller.workspace, id, "provider key").await?;
    let access = match ProviderAccess::open(key.clone(), &services.keyring) {
        Ok(access) => access,
        Err(error) => return Ok(ok(failed(error.to_string()))),
    };
    let probed = match probe(&services.client, &access).await {
        Ok(probed) => probed,
        Err(error) => return Ok(ok(failed(error.to_string()))),
    };
    note(&services, key, &probed).await?;
    let accepted = (200..300).contains(&probed.status);
    Ok(ok(Verified {
        ok: accepted,
        status: Some(probed.status),
        models: probed.models,
        reason: (!accepted).then(|| format!("the provider answered with status {}", probed.status)),
    }))
}

fn failed(reason: String) -> Verified {
    Verified { ok: false, status: None, models: Vec::new(), reason: Some(reason) }
}

async fn note(services: &Services, mut key: ProviderKey, probed: &Probed) -> Result<(), ApiError> {
    let now = services.clock.now();
    match (probed.status, key.status) {
        (200..300, _) => key.last_verified_at = Some(now),
        (401 | 403, ProviderKeyStatus::Active) => key.status = ProviderKeyStatus::Error,
        _ => return Ok(()),
    }
    if probed.status < 300 && key.status == ProviderKeyStatus::Error {
        key.status = ProviderKeyStatus::Active;
    }
    resources::commit(services, vec![Write::update(&key.touched(now))?]).await
}
