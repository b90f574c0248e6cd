//! What webhooks tell of.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::id::{EventId, WorkspaceId};
use crate::time::Timestamp;

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// What happened. A new type is one line of this list and a row of `docs/webhooks.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum EventType {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl EventType {
            /// Every type, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    };
}

event_types! {
    /// A budget's spend passed one of its thresholds.
    BudgetThreshold = "budget.threshold";
    /// A budget is spent.
    BudgetExhausted = "budget.exhausted";
    /// A check holds an action until somebody approves it.
    CheckHeld = "check.held";
    /// A check denied an action.
    CheckDenied = "check.denied";
    /// A run ended in failure.
    RunFailed = "run.failed";
    /// A virtual key was revoked.
    KeyRevoked = "key.revoked";
    /// A provider refused its key.
    ProviderKeyError = "provider_key.error";
    /// A policy denied a request.
    PolicyDenied = "policy.denied";
    /// A payment was settled.
    PaymentSettled = "payment.settled";
    /// A payment failed.
    PaymentFailed = "payment.failed";
    /// Whether a payment was settled is not known.
    PaymentUnknown = "payment.unknown";
    /// Something is unlike before.
    AnomalyDetected = "anomaly.detected";
    /// Somebody tries a webhook out. Goes to that webhook alone, and cannot be subscribed to.
    WebhookTest = "webhook.test";
}

impl EventType {
    /// Whether a webhook can ask for it.
    pub const fn can_be_subscribed_to(self) -> bool {
        !matches!(self, Self::WebhookTest)
    }

    /// The type of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event_type| event_type.as_str() == text)
    }
}

/// Something that happened in a workspace.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Where.
    pub workspace: WorkspaceId,
    /// What.
    pub event_type: EventType,
    /// Names it among the events of its workspace and type, so that one that is left twice, before and after a crash
    /// say, is one event: such as `<budget>/<account>/<window>/<percent>`.
    pub source: String,
    /// When.
    pub at: Timestamp,
    /// The particulars, as `docs/webhooks.md` has them for each type.
    pub data: Value,
}

impl Event {
    /// Its id, which receivers tell repeats by: made of what names it, so that the same event has the same id on every
    /// node and after every start. A UUIDv8.
    pub fn id(&self) -> EventId {
        let mut hash = Sha256::new();
        hash.update(self.workspace.uuid().as_bytes());
        hash.update(self.event_type.as_str());
        hash.update([0]);
        hash.update(&self.source);
        let digest: [u8; 32] = hash.finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        EventId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The body that is sent: `{type, timestamp, data}`.
    pub fn body(&self) -> String {
        json!({ "type": self.event_type, "timestamp": self.at, "data": self.data }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn event(source: &str) -> Event {
        Event {
            workspace: WorkspaceId::new(Uuid::from_u128(1)),
            event_type: EventType::BudgetThreshold,
            source: source.to_owned(),
            at: Timestamp::parse("2026-11-23T16:05:12.345Z").unwrap(),
            data: json!({"percent": 75}),
        }
    }

    #[test]
    fn what_names_an_event_makes_its_id_and_nothing_else_does() {
        let one = event("a");
        let later =
            Event { at: one.at.plus(std::time::Duration::from_secs(9)), data: json!({}), ..event("a") };
        assert_eq!(one.id(), later.id());
        assert_eq!(one.id().uuid().get_version_num(), 8);
        let other = [
            event("b"),
            Event { workspace: WorkspaceId::new(Uuid::from_u128(2)), ..event("a") },
            Event { event_type: EventType::BudgetExhausted, ..event("a") },
        ];
        assert!(other.iter().all(|other| other.id() != one.id()));
    }

    #[test]
    fn the_body_has_type_timestamp_and_data() {
        let body: Value = serde_json::from_str(&event("a").body()).unwrap();
        let expected = json!({"type": "budget.threshold", "timestamp": "2026-11-23T16:05:12.345Z",
            "data": {"percent": 75}});
        assert_eq!(body, expected);
    }

    #[test]
    fn types_read_back_from_their_names() {
        for event_type in EventType::ALL {
            assert_eq!(EventType::parse(event_type.as_str()), Some(*event_type));
            assert_eq!(json!(event_type), event_type.as_str());
        }
        assert_eq!(EventType::parse("budget"), None);
    }
}
