//! `POST /virtual-keys/{id}/rotate`

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rungate_core::agent::{KeyStatus, PreviousToken, Resource as _, VirtualKey};
use rungate_core::code::Code;
use rungate_core::ports::Write;
use serde::Deserialize;
use utoipa::ToSchema;

use super::get;
use super::view::VirtualKeyView;
use crate::api::auth::Writer;
use crate::api::envelope::{Envelope, to_json};
use crate::api::error::ApiError;
use crate::api::idempotency::Post;
use crate::api::json::{Checks, Request};
use crate::api::params::KeyId;
use crate::api::{resources, tokens};
use crate::services::Services;

const MAX_GRACE_SECONDS: u64 = 604_800;

/// How long the old token still works.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotateVirtualKey {
    /// 0 (default) to 604 800: the old token works this much longer.
    #[serde(default)]
    grace_seconds: u64,
}

impl Request for RotateVirtualKey {
    fn check(&self, checks: &mut Checks) {
        if self.grace_seconds > MAX_GRACE_SECONDS {
            checks.fail("graceSeconds", "range", format!("must be 0 to {MAX_GRACE_SECONDS}"));
        }
    }
}

/// Give a virtual key a new token; id, limits and history stay.
#[utoipa::path(post, path = "/api/v1/virtual-keys/{id}/rotate", tag = "Virtual keys", params(("id" = String, Path)),
    request_body = RotateVirtualKey, responses((status = 200, body = Envelope<VirtualKeyView>)))]
pub async fn rotate(
    State(services): State<Arc<Services>>,
    Writer(caller): Writer,
    KeyId(id): KeyId,
    Post { body, once }: Post<RotateVirtualKey>,
) -> Result<Response, ApiError> {
    let mut key: VirtualKey = resources::require(&services, caller.workspace, id, "virtual key").await?;
    if key.status == KeyStatus::Revoked {
        return Err(ApiError::new(Code::InvalidRequest, "a revoked key cannot be rotated; make a new one"));
    }
    let now = services.clock.now();
    let fresh = tokens::virtual_key(&*services.entropy, &key.label);
    let old = std::mem::replace(&mut key.token_hash, services.hasher.hash(fresh.token.expose()));
    // A rotation without grace ends an earlier grace too: that is what it is for.
    key.previous = (body.grace_seconds > 0)
        .then(|| PreviousToken { hash: old, expires_at: now.plus(Duration::from_secs(body.grace_seconds)) });
    key.key_prefix.clone_from(&fresh.prefix);
    let key = key.touched(now);
    let writes = vec![Write::update(&key)?];
    let view = get::view(&services, key).await.with_token(&fresh.token);
    once.commit(&services, writes, StatusCode::OK, to_json(&Envelope::of(view))?).await
}
