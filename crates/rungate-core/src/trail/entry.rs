//! One entry of a trail, as the journal holds it, the log keeps it and the API shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::check::{Check, Resolution};
use super::event::Event;
use crate::activity::AgentStamp;
use crate::id::{CallerId, RunId, SessionId, TraceId, TrailId, VirtualKeyId, WorkspaceId};
use crate::time::{Day, Timestamp};

/// One entry of a trail. Its content, where it has one, lies beside it as a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrailEntry {
    /// The id that the caller knows it by. Events may bring one of their own.
    pub id: TrailId,
    /// The tenant.
    pub workspace_id: WorkspaceId,
    /// When it arrived; after every earlier entry of its run. In the JSON as microseconds, since it is what entries are
    /// ordered by.
    #[serde(serialize_with = "write_micros", deserialize_with = "read_micros")]
    pub at: Timestamp,
    /// The run.
    pub run_id: RunId,
    /// The trace that the run was registered with, if it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace_id: Option<TraceId>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session_id: Option<SessionId>,
    /// Whose run it is.
    pub agent: AgentStamp,
    /// The key that reported it; absent when a person or a personal access token did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub virtual_key_id: Option<VirtualKeyId>,
    /// The step it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step_id: Option<CallerId>,
    /// The step above.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent_step_id: Option<CallerId>,
    /// The tool call it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tool_call_id: Option<CallerId>,
    /// It arrived after the run had been ended.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub after_end: bool,
    /// What it is.
    pub what: What,
}

/// What an entry of a trail is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// The run was registered. Its content is the system prompt.
    Registered(Registration),
    /// The agent reported a step. Its content is what the event says.
    Event(Box<Event>),
    /// The agent asked before it acted. Its content is the arguments of the action.
    Check(Box<Check>),
    /// A held action was allowed or denied.
    Resolved(Resolution),
    /// The run was ended.
    Ended(End),
}

/// The kinds of entries, as lists filter by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see `What`")]
pub enum TrailKind {
    Registered,
    Event,
    Check,
    Resolved,
    Ended,
}

/// A run as it was registered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Registration {
    /// Its readable name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Searchable properties; keys in lower case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// When it began, as the client says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<Timestamp>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// How.
    pub status: EndStatus,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When, as the client says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reported_at: Option<Timestamp>,
}

/// How a run was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndStatus {
    /// Well.
    Completed,
    /// Badly.
    Failed,
    /// By a decision.
    Cancelled,
}

impl EndStatus {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl TrailEntry {
    /// The entry as JSON.
    ///
    /// # Errors
    /// None that is known: it holds nothing that JSON has no form for.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Takes the text out of an entry: previews, schemas, and what people and agents gave as reasons. Its content lies beside it.
    pub fn erase_text(&mut self) {
        match &mut self.what {
            What::Registered(registration) => registration.name = None,
            What::Event(event) => {
                event.preview.clear();
                event.schema = None;
            }
            What::Check(check) => check.schema = None,
            What::Resolved(resolution) => resolution.note = None,
            What::Ended(end) => end.reason = None,
        }
    }

    /// The partition it belongs to.
    pub fn day(&self) -> Day {
        self.at.day()
    }

    /// Its kind.
    pub const fn kind(&self) -> TrailKind {
        match self.what {
            What::Registered(_) => TrailKind::Registered,
            What::Event(_) => TrailKind::Event,
            What::Check(_) => TrailKind::Check,
            What::Resolved(_) => TrailKind::Resolved,
            What::Ended(_) => TrailKind::Ended,
        }
    }

    /// What lists tell entries of one kind apart by: the type of an event, the decision of a check, the status of an end.
    pub const fn detail(&self) -> &'static str {
        match &self.what {
            What::Registered(_) => "",
            What::Event(event) => event.event_type.as_str(),
            What::Check(check) => check.decision.as_str(),
            What::Resolved(resolution) => resolution.decision.as_str(),
            What::Ended(end) => end.status.as_str(),
        }
    }
}

impl TrailKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Registered, Self::Event, Self::Check, Self::Resolved, Self::Ended];

    /// Its name in JSON and in columns.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Event => "event",
            Self::Check => "check",
            Self::Resolved => "resolved",
            Self::Ended => "ended",
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn write_micros<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(at.micros())
}

fn read_micros<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    i64::deserialize(deserializer).map(Timestamp::from_micros)
}
