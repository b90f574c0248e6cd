//! `POST /webhooks/{id}/test`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::Head;
use rungate_core::ports::fresh_uuid;
use rungate_core::webhook::{Delivery, DeliveryStatus, Event, EventType, Webhook};
use serde_json::json;

use super::view::DeliveryView;
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::api::resources;
use crate::services::Services;

/// Send a `webhook.test` event, once and now, also to a webhook that is disabled, and answer what came of it. A test that
/// failed is not tried again by itself.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/test", tag = "Webhooks", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<DeliveryView>)))]
pub async fn test(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let webhook: Webhook = resources::require(&services, caller.workspace, id, "webhook").await?;
    let now = services.clock.now();
    let head = Head::new(fresh_uuid(&*services.entropy, now), caller.workspace, now);
    let event = Event {
        workspace: caller.workspace,
        event_type: EventType::WebhookTest,
        source: head.id.to_string(),
        at: now,
        data: json!({ "webhookId": webhook.id() }),
    };
    let payload = event.body();
    let attempt = services.sender.send(&webhook, event.id(), &payload).await;
    let delivery = Delivery {
        head,
        webhook: webhook.id(),
        event: event.id(),
        event_type: event.event_type,
        payload,
        status: if attempt.succeeded() { DeliveryStatus::Delivered } else { DeliveryStatus::Dead },
        attempts: vec![attempt],
        next_try_at: None,
    };
    services.outbox.note(&delivery).await?;
    Ok(ok(DeliveryView::from(delivery)))
}
