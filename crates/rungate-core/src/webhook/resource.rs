//! Webhooks as an administrator sets them.

use serde::{Deserialize, Serialize};

use crate::agent::{Head, Resource, ResourceKind, head};
use crate::id::WebhookId;
use crate::secret::Sealed;
use crate::time::Timestamp;
use crate::webhook::event::EventType;

/// An address that is told of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// Where events are sent.
    pub url: String,
    /// Which; at least one.
    pub events: Vec<EventType>,
    /// Whether events are sent.
    pub enabled: bool,
    /// Why it was disabled, where no person did it.
    pub disabled_reason: Option<String>,
    /// A [`crate::webhook::SigningSecrets`], sealed for the context `webhook:<id>`.
    pub secret: Sealed,
    /// Until when the secret before a rotation signs too.
    pub previous_secret_until: Option<Timestamp>,
}

impl Webhook {
    /// Its id.
    pub const fn id(&self) -> WebhookId {
        WebhookId::new(self.head.id)
    }

    /// What its secrets are sealed for.
    pub fn seal_context(id: WebhookId) -> String {
        format!("webhook:{id}")
    }

    /// Whether it is to be told of such events.
    pub fn wants(&self, event_type: EventType) -> bool {
        self.enabled && self.events.contains(&event_type)
    }

    /// Whether the secret before a rotation still signs.
    pub fn has_two_secrets(&self, now: Timestamp) -> bool {
        self.previous_secret_until.is_some_and(|until| now < until)
    }
}

impl Resource for Webhook {
    const KIND: ResourceKind = ResourceKind::Webhook;
    head!();
    fn search_text(&self) -> String {
        self.url.clone()
    }
}
