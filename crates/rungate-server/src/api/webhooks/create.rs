//! `POST /webhooks`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rungate_core::agent::{Head, Resource as _};
use rungate_core::id::WebhookId;
use rungate_core::ports::{CatalogFilter, Write, fresh_uuid};
use rungate_core::webhook::{SigningSecrets, Webhook};
use rungate_gateway::webhook::MAX_WEBHOOKS;
use serde::Deserialize;
use utoipa::ToSchema;

use super::rules;
use super::view::WithSecret;
use crate::api::auth::{Admin, Caller};
use crate::api::envelope::{Envelope, to_json};
use crate::api::error::ApiError;
use crate::api::idempotency::Post;
use crate::api::json::{Checks, Request};
use crate::services::Services;

/// A new webhook.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateWebhook {
    /// Where events are sent: `https`, or `http` to hosts that the operator allows. May have a query.
    url: String,
    /// The types to send, such as `budget.threshold`; at least one.
    events: Vec<String>,
    /// Whether events are sent; default true.
    #[serde(default)]
    enabled: Option<bool>,
}

impl Request for CreateWebhook {
    fn check(&self, checks: &mut Checks) {
        rules::events(checks, &self.events);
    }
}

/// Add a webhook. The answer has its signing secret, which is never shown again.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "Webhooks", request_body = CreateWebhook,
    responses((status = 201, body = Envelope<WithSecret>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Post { body, once }: Post<CreateWebhook>,
) -> Result<Response, ApiError> {
    rules::url(&services, &body.url)?;
    let there_are =
        services.catalog.count(Webhook::KIND, caller.workspace, &CatalogFilter::default()).await?;
    if there_are >= MAX_WEBHOOKS as u64 {
        let message = format!("a workspace has at most {MAX_WEBHOOKS} webhooks");
        return Err(ApiError::field("url", "count", message));
    }
    let secrets = SigningSecrets::new(rules::fresh_secret(&services));
    let webhook = new_webhook(&services, &caller, body, &secrets)?;
    let writes = vec![Write::insert(&webhook)?];
    let answer = to_json(&Envelope::of(WithSecret::of(&webhook, secrets.current.text())))?;
    once.commit(&services, writes, StatusCode::CREATED, answer).await
}

fn new_webhook(
    services: &Services,
    caller: &Caller,
    body: CreateWebhook,
    secrets: &SigningSecrets,
) -> Result<Webhook, ApiError> {
    let now = services.clock.now();
    let head = Head::new(fresh_uuid(&*services.entropy, now), caller.workspace, now);
    Ok(Webhook {
        secret: rules::seal(services, WebhookId::new(head.id), secrets)?,
        head,
        events: rules::types(&body.events),
        url: body.url,
        enabled: body.enabled.unwrap_or(true),
        disabled_reason: None,
        previous_secret_until: None,
    })
}
