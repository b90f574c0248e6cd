//! `POST /deliveries/{id}/redeliver`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::code::Code;
use rungate_core::webhook::{Delivery, Webhook};

use super::view::DeliveryView;
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::api::resources;
use crate::services::Services;

/// Send a delivery again, whether it was delivered, given up, or is waiting for its next try: the same body under the
/// same `webhook-id`. The answer does not wait for it.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/redeliver", tag = "Webhooks", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<DeliveryView>), (status = 409, description = "The webhook is disabled")))]
pub async fn redeliver(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let delivery: Delivery = resources::require(&services, caller.workspace, id, "delivery").await?;
    let to = delivery.webhook.uuid();
    let webhook: Webhook = resources::require(&services, caller.workspace, to, "webhook").await?;
    if !webhook.enabled {
        let reason = webhook.disabled_reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        return Err(ApiError::new(Code::WebhookDisabled, format!("the webhook is disabled{reason}")));
    }
    let delivery = services.outbox.send_again(delivery).await?;
    Ok(ok(DeliveryView::from(delivery)))
}
