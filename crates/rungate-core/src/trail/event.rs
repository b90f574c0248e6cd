//! A step that an agent reports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::TrailId;
use crate::time::Timestamp;

/// The types of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// What the user said.
    User,
    /// What a model was asked.
    ModelInput,
    /// What a model answered.
    ModelOutput,
    /// A tool call or its result.
    Tool,
    /// What the agent perceived.
    Environment,
    /// What was remembered or recalled.
    Memory,
    /// What the agent's own runtime did.
    System,
    /// What went wrong.
    Error,
}

impl EventType {
    /// Every type, in the order in which errors name them.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::ModelInput,
        Self::ModelOutput,
        Self::Tool,
        Self::Environment,
        Self::Memory,
        Self::System,
        Self::Error,
    ];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ModelInput => "model_input",
            Self::ModelOutput => "model_output",
            Self::Tool => "tool",
            Self::Environment => "environment",
            Self::Memory => "memory",
            Self::System => "system",
            Self::Error => "error",
        }
    }

    /// The type of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name)
    }
}

/// How far an event can be believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventTrust {
    /// The agent says so.
    #[default]
    Reported,
    /// The agent says so, and traffic that went through us agrees.
    Confirmed,
    /// We saw it ourselves.
    GatewayObserved,
}

impl EventTrust {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Confirmed => "confirmed",
            Self::GatewayObserved => "gateway_observed",
        }
    }
}

/// A reported step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// What kind of step.
    pub event_type: EventType,
    /// The type as it was reported, where it is none of ours.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub original_type: Option<String>,
    /// When it happened, as the client says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reported_at: Option<Timestamp>,
    /// The JSON Schema of the content, as text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub schema: Option<String>,
    /// Whether the content fits the schema; absent without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub schema_valid: Option<bool>,
    /// How far it can be believed.
    #[serde(default)]
    pub trust: EventTrust,
    /// What was tolerated.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
    /// Searchable properties; keys in lower case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub properties: BTreeMap<String, String>,
    /// The check that came before it, as the client says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action_check_id: Option<TrailId>,
    /// SHA-256 of everything the client sent but its own time, in hexadecimal: an id that comes again must come with the same.
    pub fingerprint: String,
    /// The first 200 characters of the content.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub preview: String,
}
