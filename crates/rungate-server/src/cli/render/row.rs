//! The API's rows, as far as the commands show them. Absent and null fields are the same, and unknown ones are ignored:
//! a newer server may say more.

use rungate_core::money::NanoUsd;
use rungate_core::time::Timestamp;
use serde::Deserialize;

/// A request of `GET /api/v1/requests`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Request {
    pub id: String,
    pub request_id: Option<String>,
    pub run_id: Option<String>,
    pub session_id: Option<String>,
    pub session_name: Option<String>,
    pub trace_id: Option<String>,
    pub agent_external_id: Option<String>,
    pub agent_name: Option<String>,
    pub agent_trust: Option<String>,
    pub virtual_key_label: Option<String>,
    pub key_prefix: Option<String>,
    pub step_id: Option<String>,
    pub parent_step_id: Option<String>,
    pub step_kind: Option<String>,
    pub created_at: Option<Timestamp>,
    pub method: Option<String>,
    pub path: Option<String>,
    pub kind: Option<String>,
    pub status: Option<u16>,
    pub outcome: Option<String>,
    pub error_code: Option<String>,
    pub warnings: Option<Vec<String>>,
    pub requested_model: Option<String>,
    pub model: Option<String>,
    pub provider: Option<String>,
    pub stream: Option<bool>,
    pub attempts: Option<Vec<Attempt>>,
    pub tokens: Option<Tokens>,
    pub usage_source: Option<String>,
    pub cost_nano_usd: Option<NanoUsd>,
    pub cost_status: Option<String>,
    pub price_snapshot_id: Option<String>,
    pub latency_ms: Option<u64>,
    pub ttft_ms: Option<u64>,
    pub overhead_ms: Option<f64>,
    pub request_bytes: Option<u64>,
    pub response_bytes: Option<u64>,
    pub properties: Option<std::collections::BTreeMap<String, serde_json::Value>>,
}

/// One try at one provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Attempt {
    pub provider: Option<String>,
    pub model: Option<String>,
    pub status: Option<u16>,
    pub upstream_request_id: Option<String>,
    pub latency_ms: Option<u64>,
    pub error_code: Option<String>,
}

/// Token counts.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Tokens {
    pub input: Option<u64>,
    pub output: Option<u64>,
    pub cached_input: Option<u64>,
    pub cache_write: Option<u64>,
    pub reasoning: Option<u64>,
}

/// A run of `GET /api/v1/runs`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Run {
    pub id: String,
    pub run_id: String,
    pub name: Option<String>,
    pub session_id: Option<String>,
    pub trace_id: Option<String>,
    pub agents: Option<Vec<Agent>>,
    pub status: Option<String>,
    pub started_at: Option<Timestamp>,
    pub last_activity_at: Option<Timestamp>,
    pub duration_ms: Option<u64>,
    pub requests: Option<u64>,
    pub errors: Option<u64>,
    pub tokens: Option<Tokens>,
    pub models: Option<Vec<String>>,
    pub cost_nano_usd: Option<NanoUsd>,
    pub unknown_cost_requests: Option<u64>,
}

/// An agent seen in a run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Agent {
    pub external_id: Option<String>,
    pub name: Option<String>,
    pub trust: Option<String>,
}

impl Request {
    /// Whether its outcome is not known yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.outcome.as_deref(), None | Some("pending"))
    }

    /// The model that answered, else the one asked for.
    pub fn shown_model(&self) -> &str {
        self.model.as_deref().or(self.requested_model.as_deref()).unwrap_or_default()
    }

    /// Input tokens.
    pub fn input(&self) -> Option<u64> {
        self.tokens?.input
    }

    /// Output tokens.
    pub fn output(&self) -> Option<u64> {
        self.tokens?.output
    }
}

impl Agent {
    /// The name to call it by.
    pub fn shown(&self) -> &str {
        self.external_id.as_deref().or(self.name.as_deref()).unwrap_or_default()
    }
}
