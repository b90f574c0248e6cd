//! `GET /webhooks/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::webhook::Webhook;

use super::view::WebhookView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::api::resources;
use crate::services::Services;

/// Read a webhook.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}", tag = "Webhooks", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<WebhookView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let webhook: Webhook = resources::require(&services, caller.workspace, id, "webhook").await?;
    Ok(ok(WebhookView::from(&webhook)))
}
