//! `PATCH /webhooks/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::Resource as _;
use rungate_core::ports::Write;
use rungate_core::webhook::Webhook;
use serde::Deserialize;
use utoipa::ToSchema;

use super::rules;
use super::view::WebhookView;
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Checks, Json, Request};
use crate::api::params::Id;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Changes to a webhook. The secret is changed by `rotate`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateWebhook {
    /// Where events are sent.
    url: Option<String>,
    /// The types to send, all of them.
    events: Option<Vec<String>>,
    /// Whether events are sent. What was pending when it is disabled is given up.
    enabled: Option<bool>,
    /// The version this change rests on.
    version: Option<u64>,
}

impl Request for UpdateWebhook {
    fn check(&self, checks: &mut Checks) {
        if let Some(events) = &self.events {
            rules::events(checks, events);
        }
    }
}

/// Change a webhook.
#[utoipa::path(patch, path = "/api/v1/webhooks/{id}", tag = "Webhooks", params(("id" = String, Path)),
    request_body = UpdateWebhook, responses((status = 200, body = Envelope<WebhookView>)))]
pub async fn update(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
    if_match: IfMatch,
    Json(body): Json<UpdateWebhook>,
) -> Result<Response, ApiError> {
    let mut webhook: Webhook = resources::require(&services, caller.workspace, id, "webhook").await?;
    if_match.check(body.version, &webhook.head)?;
    if let Some(url) = body.url {
        rules::url(&services, &url)?;
        webhook.url = url;
    }
    if let Some(events) = &body.events {
        webhook.events = rules::types(events);
    }
    if let Some(enabled) = body.enabled {
        webhook.enabled = enabled;
        webhook.disabled_reason = None;
    }
    let webhook = webhook.touched(services.clock.now());
    resources::commit(&services, vec![Write::update(&webhook)?]).await?;
    Ok(ok(WebhookView::from(&webhook)))
}
