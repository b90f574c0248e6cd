//! What became of an event on its way to one webhook.

use serde::{Deserialize, Serialize};

use crate::agent::{Head, Resource, ResourceKind, head};
use crate::id::{DeliveryId, EventId, WebhookId};
use crate::time::Timestamp;
use crate::webhook::event::EventType;

/// Tries that stay on a delivery; of more, the first ones go.
pub const MAX_ATTEMPTS_KEPT: usize = 32;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// To be tried, or tried again.
    Pending,
    /// The receiver took it.
    Delivered,
    /// Given up. It can be sent again.
    Dead,
}

impl DeliveryStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Dead];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The receiver's HTTP status; `None` when no answer came.
    pub status: Option<u16>,
    /// Why it failed; `None` when it did not.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub answer: Option<String>,
}

impl Attempt {
    /// Whether the receiver took the event.
    pub const fn succeeded(&self) -> bool {
        self.error.is_none()
    }
}

/// An event on its way to one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// Where to.
    pub webhook: WebhookId,
    /// The event; sent as `webhook-id` on every try.
    pub event: EventId,
    /// What it tells of.
    pub event_type: EventType,
    /// The body, the same on every try.
    pub payload: String,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// The tries, oldest first, at most [`MAX_ATTEMPTS_KEPT`].
    pub attempts: Vec<Attempt>,
    /// When it is tried next; `None` when it is not.
    pub next_try_at: Option<Timestamp>,
}

impl Delivery {
    /// Its id.
    pub const fn id(&self) -> DeliveryId {
        DeliveryId::new(self.head.id)
    }

    /// Adds a try, and forgets the first where there are too many.
    pub fn note(&mut self, attempt: Attempt) {
        self.attempts.push(attempt);
        let too_many = self.attempts.len().saturating_sub(MAX_ATTEMPTS_KEPT);
        self.attempts.drain(..too_many);
    }
}

impl Resource for Delivery {
    const KIND: ResourceKind = ResourceKind::Delivery;
    head!();
    /// An event goes to a webhook once, however often it is left.
    fn unique(&self) -> Vec<(&'static str, String)> {
        vec![("event", format!("{}/{}", self.webhook, self.event))]
    }
    fn facets(&self) -> Vec<(&'static str, String)> {
        vec![
            ("webhook", self.webhook.to_string()),
            ("status", self.status.as_str().to_owned()),
            ("type", self.event_type.as_str().to_owned()),
        ]
    }
}

/// That a delivery is pending, with the delivery's own id: kept apart so that what is due can be found among all that
/// was delivered, and claimed without touching it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DueDelivery {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// Where to.
    pub webhook: WebhookId,
    /// Tries that were begun since it was left, or sent again.
    pub tries: u32,
    /// From when it may be tried. A node that claims it moves this on by more than a try can take, so that no other
    /// sends it meanwhile, and somebody does when that node dies.
    pub at: Timestamp,
    /// Whether a node has claimed it.
    pub claimed: bool,
}

impl DueDelivery {
    /// Of a new delivery.
    pub fn of(delivery: &Delivery, now: Timestamp) -> Self {
        let head = Head::new(delivery.head.id, delivery.head.workspace_id, now);
        Self { head, webhook: delivery.webhook, tries: 0, at: now, claimed: false }
    }
}

impl Resource for DueDelivery {
    const KIND: ResourceKind = ResourceKind::DueDelivery;
    head!();
    fn facets(&self) -> Vec<(&'static str, String)> {
        vec![("webhook", self.webhook.to_string())]
    }
}
