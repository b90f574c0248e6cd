//! What exchanges add up to: runs, sessions, totals.

use serde::{Deserialize, Serialize};

use crate::activity::AgentStamp;
use crate::id::{RunId, SessionId, TraceId, WorkspaceId};
use crate::money::NanoUsd;
use crate::time::Timestamp;
use crate::trail::EndStatus;

/// Counts and sums over closed exchanges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Exchanges.
    pub requests: u64,
    /// Those that count as errors.
    pub errors: u64,
    /// Sum of all input tokens.
    pub input_tokens: u64,
    /// Sum of all output tokens.
    pub output_tokens: u64,
    /// Sum of the known costs.
    pub cost: NanoUsd,
    /// Exchanges whose cost is unknown; not in the sum.
    pub unknown_cost_requests: u64,
    /// Sum of what was reserved for those whose cost is unknown: budgets count it as spent.
    #[serde(default)]
    pub unknown_cost_reserved: NanoUsd,
    /// Sum of the latencies in milliseconds.
    pub latency_ms: u64,
}

impl Totals {
    /// Adds one closed exchange. Sums are held at the end of their range: counts come from providers, and a wrong one
    /// must not stop the log.
    pub fn add(&mut self, record: &crate::exchange::ExchangeRecord) {
        let usage = record.usage.unwrap_or_default();
        self.merge(&Self {
            requests: 1,
            errors: u64::from(record.is_error()),
            input_tokens: usage.input,
            output_tokens: usage.output,
            cost: record.cost.unwrap_or_default(),
            unknown_cost_requests: u64::from(record.cost.is_none()),
            unknown_cost_reserved: if record.cost.is_none() { record.charged() } else { NanoUsd::ZERO },
            latency_ms: record.latency_ms.unwrap_or(0),
        });
    }

    /// What budgets count as spent.
    pub fn charged(&self) -> NanoUsd {
        self.cost.saturating_add(self.unknown_cost_reserved)
    }

    /// Adds other totals.
    pub fn merge(&mut self, other: &Self) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.requests, other.requests);
        add(&mut self.errors, other.errors);
        add(&mut self.input_tokens, other.input_tokens);
        add(&mut self.output_tokens, other.output_tokens);
        self.cost += other.cost;
        add(&mut self.unknown_cost_requests, other.unknown_cost_requests);
        self.unknown_cost_reserved += other.unknown_cost_reserved;
        add(&mut self.latency_ms, other.latency_ms);
    }
}

/// Our id of a run: a UUIDv8 made from the workspace and the caller's run id, the same wherever it is computed, so
/// that a replayed journal finds the run it made before.
pub fn run_uuid(workspace: WorkspaceId, run_id: &RunId) -> uuid::Uuid {
    use sha2::Digest as _;
    let digest = sha2::Sha256::new().chain_update(workspace.uuid().as_bytes()).chain_update(run_id.as_str());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Active lately.
    Running,
    /// Nothing happened for a while; any activity makes it running again.
    Idle,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Ended by a decision.
    Cancelled,
}

impl From<EndStatus> for RunStatus {
    fn from(status: EndStatus) -> Self {
        match status {
            EndStatus::Completed => Self::Completed,
            EndStatus::Failed => Self::Failed,
            EndStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// One task execution, as its traffic made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Our id: a UUID made from the workspace and the run id, the same wherever it is computed.
    pub id: uuid::Uuid,
    /// The tenant.
    pub workspace_id: WorkspaceId,
    /// The caller's id.
    pub run_id: RunId,
    /// The session it was last seen in.
    pub session_id: Option<SessionId>,
    /// The trace it was registered with, else the one it was last seen on.
    pub trace_id: Option<TraceId>,
    /// Its readable name.
    #[serde(default)]
    pub name: Option<String>,
    /// When it was registered; absent for one that its traffic made.
    #[serde(default)]
    pub registered_at: Option<Timestamp>,
    /// How it was ended; absent while nobody has.
    #[serde(default)]
    pub end: Option<RunEnd>,
    /// Events reported of it.
    #[serde(default)]
    pub events: u64,
    /// Checks asked for in it.
    #[serde(default)]
    pub checks: CheckTotals,
    /// Every agent seen in it, in order of appearance.
    pub agents: Vec<AgentStamp>,
    /// When its first exchange started.
    pub started_at: Timestamp,
    /// When something last happened in it.
    pub last_activity_at: Timestamp,
    /// Exchanges that are open right now, as far as the log has seen.
    pub open: u64,
    /// Sums over its closed exchanges.
    pub totals: Totals,
    /// Models that answered in it, each once, sorted.
    pub models: Vec<String>,
    /// Sums per model that answered.
    pub by_model: Vec<ModelTotals>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEnd {
    /// How.
    pub status: EndStatus,
    /// When we were told.
    pub at: Timestamp,
    /// Why, for people.
    pub reason: Option<String>,
}

/// Checks by what was answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the names are those of the decisions")]
pub struct CheckTotals {
    pub allow: u64,
    pub hold: u64,
    pub deny: u64,
}

/// Sums of one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelTotals {
    /// The provider that answered.
    pub provider: String,
    /// The model that answered.
    pub model: String,
    /// The sums.
    pub totals: Totals,
}

/// One conversation or workflow session: groups runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The tenant.
    pub workspace_id: WorkspaceId,
    /// The caller's id.
    pub session_id: SessionId,
    /// The name last given.
    pub name: Option<String>,
    /// The path last given.
    pub path: Option<String>,
    /// Every agent seen in it, in order of appearance.
    pub agents: Vec<AgentStamp>,
    /// How many runs were seen in it.
    pub runs: u64,
    /// When its first exchange started.
    pub first_at: Timestamp,
    /// When something last happened in it.
    pub last_at: Timestamp,
    /// Sums over its closed exchanges.
    pub totals: Totals,
}
