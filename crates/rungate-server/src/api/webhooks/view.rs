//! Webhooks and deliveries on the wire. A secret is shown once, when it is made.

use rungate_core::id::{EventId, WebhookId};
use rungate_core::secret::Secret;
use rungate_core::time::Timestamp;
use rungate_core::webhook::{Attempt, Delivery, Webhook};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::view::HeadView;

/// A webhook.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Webhook)]
pub struct WebhookView {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: HeadView,
    /// Where events are sent.
    pub url: String,
    /// The types that are sent.
    pub events: Vec<&'static str>,
    /// Whether any are.
    pub enabled: bool,
    /// Why it was disabled, where no person did it.
    pub disabled_reason: Option<String>,
    /// Until when the secret before a rotation signs too.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub previous_secret_until: Option<Timestamp>,
}

/// A webhook with its new secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
pub struct WithSecret {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookView,
    /// `whsec_…`: verifies signatures. Never shown again.
    pub secret: String,
}

/// An event on its way to one webhook.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Delivery)]
pub struct DeliveryView {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: HeadView,
    /// Where to.
    #[schema(value_type = uuid::Uuid)]
    pub webhook_id: WebhookId,
    /// The event, sent as `webhook-id` on every try.
    #[schema(value_type = uuid::Uuid)]
    pub event_id: EventId,
    /// What it tells of.
    pub r#type: &'static str,
    /// The body that is sent: type, timestamp and data.
    #[schema(value_type = Object)]
    pub payload: Value,
    /// `pending`, `delivered` or `dead`.
    pub status: &'static str,
    /// The tries, oldest first; of very many the last.
    pub attempts: Vec<AttemptView>,
    /// When it is tried next; null when it is not.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_try_at: Option<Timestamp>,
}

/// One try.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeliveryAttempt)]
pub struct AttemptView {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How long it took.
    pub duration_ms: u64,
    /// The receiver's HTTP status; null when no answer came.
    pub status: Option<u16>,
    /// Why it failed; null when it did not.
    pub error: Option<String>,
    /// The first 1,024 bytes of the answer's body.
    pub answer: Option<String>,
}

impl From<&Webhook> for WebhookView {
    fn from(webhook: &Webhook) -> Self {
        Self {
            head: (&webhook.head).into(),
            url: webhook.url.clone(),
            events: webhook.events.iter().map(|event_type| event_type.as_str()).collect(),
            enabled: webhook.enabled,
            disabled_reason: webhook.disabled_reason.clone(),
            previous_secret_until: webhook.previous_secret_until,
        }
    }
}

impl WithSecret {
    /// The webhook with its current secret.
    pub fn of(webhook: &Webhook, secret: &Secret) -> Self {
        Self { webhook: webhook.into(), secret: secret.expose().to_owned() }
    }
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            head: (&delivery.head).into(),
            webhook_id: delivery.webhook,
            event_id: delivery.event,
            r#type: delivery.event_type.as_str(),
            payload: serde_json::from_str(&delivery.payload).unwrap_or_default(),
            status: delivery.status.as_str(),
            attempts: delivery.attempts.into_iter().map(AttemptView::from).collect(),
            next_try_at: delivery.next_try_at,
        }
    }
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        let Attempt { at, duration_ms, status, error, answer } = attempt;
        Self { at, duration_ms, status, error, answer }
    }
}
