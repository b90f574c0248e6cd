//! `POST /webhooks/{id}/rotate`

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rungate_core::agent::Resource as _;
use rungate_core::ports::Write;
use rungate_core::webhook::{SigningSecrets, Webhook};
use serde::Deserialize;
use utoipa::ToSchema;

use super::rules;
use super::view::WithSecret;
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, to_json};
use crate::api::error::ApiError;
use crate::api::idempotency::Post;
use crate::api::json::Request;
use crate::api::params::Id;
use crate::api::resources;
use crate::services::Services;

/// How long the secret of before signs too.
const BOTH: Duration = Duration::from_hours(24);

/// Nothing to say.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateWebhook {}

impl Request for RotateWebhook {}

/// Give a webhook another signing secret, shown once. For 24 hours messages carry the signatures of both.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/rotate", tag = "Webhooks", params(("id" = String, Path)),
    request_body = RotateWebhook, responses((status = 200, body = Envelope<WithSecret>)))]
pub async fn rotate(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
    Post { body: RotateWebhook {}, once }: Post<RotateWebhook>,
) -> Result<Response, ApiError> {
    let mut webhook: Webhook = resources::require(&services, caller.workspace, id, "webhook").await?;
    let fresh = rules::fresh_secret(&services);
    let opened = services.keyring.open(&webhook.secret, &Webhook::seal_context(webhook.id())).ok();
    let now = services.clock.now();
    // A secret that was lost with the sealing key signs nothing any longer.
    let before = opened.and_then(|text| SigningSecrets::parse(&text).ok());
    webhook.previous_secret_until = before.is_some().then(|| now.plus(BOTH));
    let secrets = match before {
        Some(before) => before.rotated(fresh),
        None => SigningSecrets::new(fresh),
    };
    webhook.secret = rules::seal(&services, webhook.id(), &secrets)?;
    let webhook = webhook.touched(now);
    let writes = vec![Write::update(&webhook)?];
    let answer = to_json(&Envelope::of(WithSecret::of(&webhook, secrets.current.text())))?;
    once.commit(&services, writes, StatusCode::OK, answer).await
}
