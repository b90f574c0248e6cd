//! Typed ids. Each is its own type, and none converts into another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::time::Timestamp;

/// A UUIDv7 from a time and ten random bytes: sorts by its time.
pub fn uuid_v7(at: Timestamp, random: [u8; 10]) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(at.millis()).unwrap_or(0), &random).into_uuid()
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID inside.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::from_str(text).map(Self)
            }
        }
    )*};
}

uuid_id! {
    /// A workspace: the tenant that every row and query is scoped by.
    WorkspaceId;
    /// A member of a workspace.
    MemberId;
    /// An agent, registered or self-reported.
    AgentId;
    /// A virtual key.
    VirtualKeyId;
    /// A provider key.
    ProviderKeyId;
    /// A personal access token.
    PatId;
    /// One exchange: our handling of one HTTP request. A UUIDv7 whose time is the exchange's start; it picks the log partition.
    ExchangeId;
    /// A policy.
    PolicyId;
    /// A price override of a workspace.
    PriceOverrideId;
    /// A budget.
    BudgetId;
    /// An outgoing webhook.
    WebhookId;
    /// An entry of a run's trail: what an agent knows as the id of its event or check.
    TrailId;
    /// An event that webhooks are told of.
    EventId;
    /// An event on its way to one webhook.
    DeliveryId;
}

impl ExchangeId {
    /// The time inside the id, to the millisecond; `None` when it is not a UUIDv7.
    pub fn started_at(self) -> Option<Timestamp> {
        if self.0.get_version_num() != 7 {
            return None;
        }
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        let micros = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?;
        Some(Timestamp::from_micros(micros.checked_add(i64::from(nanos / 1_000))?))
    }
}

/// Why a text is not an id; the text of each variant is the rule it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Outside the caller-id grammar.
    #[error("must be 1 to 256 characters of A-Z a-z 0-9 _ . : / @ + = ~ -")]
    Caller,
    /// Outside the external-id grammar.
    #[error(
        "must be a UUID, or 2 to 128 characters of A-Z a-z 0-9 _ . : - that start with a letter or digit"
    )]
    AgentReference,
    /// Has the shape of a UUID, but is none.
    #[error("has the shape of a UUID but is not one")]
    NotAUuid,
    /// Outside the `x-request-id` grammar.
    #[error("must be 1 to 127 characters of A-Z a-z 0-9 _ -")]
    RequestId,
}

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident, $check:path, $error:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks the grammar and keeps the text unchanged.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                if $check(text) { Ok(Self(text.into())) } else { Err($error) }
            }

            /// The text as it was sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

text_id! {
    /// The client's `x-request-id`: a label of one HTTP request, echoed unchanged. Not unique.
    RequestId, is_request_id, IdError::RequestId;
    /// A run id: one task execution, named by the caller. Scoped to the workspace.
    RunId, is_caller_id, IdError::Caller;
    /// A session id: a conversation or workflow session, named by the caller.
    SessionId, is_caller_id, IdError::Caller;
    /// A trace id that joins exchanges across services.
    TraceId, is_caller_id, IdError::Caller;
    /// The id of an end user, for search.
    UserId, is_caller_id, IdError::Caller;
    /// Any other caller-given id: step, tool call, hand-off, graph node, hash.
    CallerId, is_caller_id, IdError::Caller;
    /// The readable id of an agent, such as `agt_support_bot_8f3a`.
    ExternalId, is_external_id, IdError::AgentReference;
}

/// An agent named by a caller: by its UUID or by its external id, which are interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AgentRef {
    /// By UUID.
    Id(AgentId),
    /// By external id.
    External(ExternalId),
}

impl AgentRef {
    /// Reads an agent reference. A text of 36 characters with hyphens where a UUID has them must be a UUID.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if looks_like_uuid(text) {
            return text.parse().map(Self::Id).map_err(|_| IdError::NotAUuid);
        }
        ExternalId::parse(text).map(Self::External)
    }
}

impl fmt::Display for AgentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::External(id) => id.fmt(f),
        }
    }
}

impl ExternalId {
    /// Stands for an agent whose id is outside the grammar, which no caller can name.
    pub fn unknown() -> Self {
        Self("unknown".into())
    }
}

fn looks_like_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36 && [8, 13, 18, 23].iter().all(|&at| bytes[at] == b'-')
}

fn is_caller_id(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:/@+=~-".contains(&byte))
}

fn is_request_id(text: &str) -> bool {
    (1..=127).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn is_external_id(text: &str) -> bool {
    (2..=128).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_v7_carries_its_time() {
        let at = Timestamp::parse("2026-11-23T16:05:12.345Z").unwrap();
        let id = ExchangeId::new(uuid_v7(at, [7; 10]));
        assert_eq!(id.started_at(), Some(at));
        assert_eq!(id.uuid().get_version_num(), 7);
        assert_eq!(ExchangeId::new(Uuid::nil()).started_at(), None);
    }

    #[test]
    fn run_ids_have_256_characters_at_most() {
        assert!(RunId::parse(&"r".repeat(256)).is_ok());
        assert_eq!(RunId::parse(&"r".repeat(257)), Err(IdError::Caller));
        assert_eq!(RunId::parse(""), Err(IdError::Caller));
        assert_eq!(RunId::parse("run 1"), Err(IdError::Caller));
        assert!(RunId::parse("n8n:exec/42@prod+a=b~c.d-e_f").is_ok());
    }

    #[test]
    fn request_ids_have_127_characters_at_most() {
        assert!(RequestId::parse(&"a".repeat(127)).is_ok());
        for bad in ["", "a b", "a.b", "é", &"a".repeat(128)] {
            assert_eq!(RequestId::parse(bad), Err(IdError::RequestId), "{bad:?}");
        }
    }

    #[test]
    fn an_agent_reference_is_a_uuid_or_an_external_id() {
        assert!(matches!(AgentRef::parse("agt_support_bot_8f3a"), Ok(AgentRef::External(_))));
        assert!(matches!(AgentRef::parse("018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001"), Ok(AgentRef::Id(_))));
        assert_eq!(AgentRef::parse("018f7f83-2a7a-7f1a-9b2f-2f2b21e8a00g"), Err(IdError::NotAUuid));
        assert_eq!(AgentRef::parse("_x"), Err(IdError::AgentReference));
        assert_eq!(AgentRef::parse("a"), Err(IdError::AgentReference));
    }
}
