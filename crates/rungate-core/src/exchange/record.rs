//! The record of one exchange: what the journal holds, the log keeps and the API shows.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::activity::{AgentStamp, Attribution};
use crate::code::Code;
use crate::id::{ExchangeId, MemberId, ProviderKeyId, RequestId, VirtualKeyId, WorkspaceId};
use crate::money::NanoUsd;
use crate::operation::Kind;
use crate::time::Timestamp;
use crate::usage::{Usage, UsageSource};

/// How an exchange ended, or that it has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Open: sent upstream, not answered yet.
    Pending,
    /// The process ended while it was open. What was spent is unknown.
    Interrupted,
    /// The client has its whole answer.
    Succeeded,
    /// Refused by the gateway; nothing was sent upstream.
    Refused,
    /// The provider failed: no answer, an error, or a stream cut short.
    UpstreamFailed,
    /// The client left before its answer was complete.
    ClientClosed,
    /// The gateway itself dropped it, by a fault or at shutdown.
    Abandoned,
}

impl Outcome {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Interrupted => "interrupted",
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::UpstreamFailed => "upstream_failed",
            Self::ClientClosed => "client_closed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What is known of the cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CostStatus {
    /// Not settled yet.
    Pending,
    /// From what the provider reported, or nothing was spent.
    Final,
    /// From counts that were estimated.
    Estimated,
    /// No price, or nothing known of what was used.
    #[default]
    Unknown,
}

/// What came of caching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheUse {
    /// A kept answer was given: nothing went upstream.
    Hit,
    /// There was none that could be given.
    Miss,
    /// Caching is on, and this request takes no part in it: it says so, or its answer cannot stand for another.
    Bypass,
}

impl CacheUse {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// One try at one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The provider's id.
    pub provider: String,
    /// The model as it was sent upstream.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// The provider key used.
    pub provider_key_id: ProviderKeyId,
    /// The provider's status; absent when no answer came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// The provider's own id of the request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub upstream_request_id: Option<String>,
    /// Until the head of the answer, or the failure.
    pub latency_ms: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_code: Option<Code>,
    /// What it cost, of one among several: the most it can have cost where nobody knows. Of a single one the exchange's cost
    /// says it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cost: Option<NanoUsd>,
}

/// What a policy said about an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The policy; absent for a rule of the key, the agent or the workspace itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy_id: Option<String>,
    /// The policy's name then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy_name: Option<String>,
    /// The version of the policy that decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<u64>,
    /// Whether the policy was kept to; absent for rules that always are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mode: Option<Mode>,
    /// The rule, such as `key.allowed_models`.
    #[serde(rename = "type")]
    pub rule: String,
    /// What it does, or under `log_only` would have done.
    pub effect: Effect,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// What a decision does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Go on.
    Allow,
    /// Stop.
    Deny,
    /// Go on, with a limit of the request lowered.
    Clamp,
    /// Go on, with parts of a body masked.
    Redact,
    /// Go on, marked.
    Flag,
}

/// Whether a policy is kept to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It decides.
    #[default]
    Enforce,
    /// What it would decide is recorded, and nothing changes.
    LogOnly,
}

/// The record of one exchange. It is complete at each stage: an opening has the outcome `pending`, and its closing
/// is the same record with everything filled in, so that either can be stored without the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExchangeRecord {
    /// Our id, sent as `alephant-id`.
    pub id: ExchangeId,
    /// The tenant.
    pub workspace_id: WorkspaceId,
    /// When the first byte came in. In the JSON to the microsecond, since it is what rows are ordered by.
    #[serde(serialize_with = "precisely")]
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub completed_at: Option<Timestamp>,
    /// The family of the operation.
    pub kind: Kind,
    /// The client's method.
    pub method: String,
    /// The client's path, without its query.
    pub path: String,
    /// The client's `x-request-id`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<RequestId>,

    /// The agent.
    pub agent: AgentStamp,
    /// Run, session, step, properties.
    #[serde(flatten)]
    pub attribution: Attribution,
    /// The key that was sent.
    pub virtual_key_id: VirtualKeyId,
    /// Its label then.
    pub virtual_key_label: String,
    /// Its shown prefix then.
    pub key_prefix: String,
    /// The member the key is bound to, if it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub member_id: Option<MemberId>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_ip: Option<IpAddr>,
    /// The client's country, as a trusted proxy said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub country: Option<String>,

    /// How it ended.
    pub outcome: Outcome,
    /// The status the client got; 499 when it left.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// The code of the error the client got.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_code: Option<Code>,
    /// The error's message, at most 500 characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_message: Option<String>,
    /// What `rungate-warning` said.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
    /// What policies said.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub decisions: Vec<Decision>,

    /// The model as the client named it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_model: Option<String>,
    /// The model that answered, as the provider named it, or as it was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// The provider that answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<String>,
    /// The provider key used last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider_key_id: Option<ProviderKeyId>,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// Every try.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub attempts: Vec<Attempt>,

    /// What was used.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usage: Option<Usage>,
    /// Where the counts come from.
    pub usage_source: UsageSource,
    /// What it cost; `None` is unknown, never zero.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cost: Option<NanoUsd>,
    /// What is known of the cost.
    pub cost_status: CostStatus,
    /// The most it could cost, held in its budgets until it ended; absent where no budget applied.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reserved: Option<NanoUsd>,
    /// The price list the cost was taken from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub price_snapshot_id: Option<String>,

    /// What came of caching; absent where nobody asked for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cache: Option<CacheUse>,
    /// What the kept answer cost when it was made, and this exchange did not; `None` where that is unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cache_saved: Option<NanoUsd>,

    /// From the first byte in to the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency_ms: Option<u64>,
    /// From the first byte in to the first byte of the answer's body.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ttft_ms: Option<u64>,
    /// Microseconds of `latency` that the gateway itself took before it sent the request upstream.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub overhead_us: Option<u64>,
    /// Size of the request body in bytes.
    pub request_bytes: u64,
    /// Size of the answer's body in bytes, as sent to the client.
    pub response_bytes: u64,

    /// The first 200 characters of the last user text; empty when bodies are not kept.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub preview_in: String,
    /// The first 200 characters of the answer's text; empty when bodies are not kept.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub preview_out: String,
    /// Id of a stored response (`resp_…`), so that it can be fetched again through the same provider key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub response_id: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn precisely<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    at.precise().serialize(serializer)
}

impl ExchangeRecord {
    /// The record of an exchange that has only begun: whose it is, and nothing of what it asks or gets.
    pub fn new(
        id: ExchangeId,
        workspace_id: WorkspaceId,
        created_at: Timestamp,
        kind: Kind,
        agent: AgentStamp,
        virtual_key_id: VirtualKeyId,
    ) -> Self {
        Self {
            id,
            workspace_id,
            created_at,
            completed_at: None,
            kind,
            method: String::new(),
            path: String::new(),
            request_id: None,
            agent,
            attribution: Attribution::default(),
            virtual_key_id,
            virtual_key_label: String::new(),
            key_prefix: String::new(),
            member_id: None,
            client_ip: None,
            country: None,
            outcome: Outcome::Pending,
            status: None,
            error_code: None,
            error_message: None,
            warnings: Vec::new(),
            decisions: Vec::new(),
            requested_model: None,
            model: None,
            provider: None,
            provider_key_id: None,
            stream: false,
            attempts: Vec::new(),
            usage: None,
            usage_source: UsageSource::Unknown,
            cost: None,
            cost_status: CostStatus::Pending,
            reserved: None,
            price_snapshot_id: None,
            cache: None,
            cache_saved: None,
            latency_ms: None,
            ttft_ms: None,
            overhead_us: None,
            request_bytes: 0,
            response_bytes: 0,
            preview_in: String::new(),
            preview_out: String::new(),
            response_id: None,
        }
    }

    /// What budgets count as spent: the cost, and where that is unknown, all that was reserved.
    pub fn charged(&self) -> NanoUsd {
        self.cost.or(self.reserved).unwrap_or_default()
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        self.outcome != Outcome::Pending
    }

    /// Whether it counts as an error: anything but a success or an open exchange.
    pub fn is_error(&self) -> bool {
        !matches!(self.outcome, Outcome::Succeeded | Outcome::Pending)
    }
}
