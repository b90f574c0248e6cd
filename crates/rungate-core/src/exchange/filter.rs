//! What a list of exchanges, runs or sessions can be asked for.

use crate::id::{
    AgentId, ExchangeId, MemberId, ProviderKeyId, RequestId, RunId, SessionId, TraceId, UserId, VirtualKeyId,
};
use crate::money::NanoUsd;
use crate::operation::Kind;
use crate::time::Timestamp;

use super::record::Outcome;

/// A filter on the status of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// Exactly this status, such as 200.
    Exact(u16),
    /// This class: 4 is `4xx`.
    Class(u16),
    /// Anything that counts as an error.
    Error,
}

/// Which exchanges. Fields are joined by AND; the values of one field by OR; an empty field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the field of the record of the same name")]
pub struct ExchangeFilter {
    pub ids: Vec<ExchangeId>,
    pub request_ids: Vec<RequestId>,
    pub run_ids: Vec<RunId>,
    pub session_ids: Vec<SessionId>,
    pub trace_ids: Vec<TraceId>,
    /// Agents by registry id.
    pub agent_ids: Vec<AgentId>,
    /// Agents by external id; joined with `agent_ids` by OR.
    pub agent_external_ids: Vec<String>,
    pub member_ids: Vec<MemberId>,
    pub virtual_key_ids: Vec<VirtualKeyId>,
    pub provider_key_ids: Vec<ProviderKeyId>,
    /// The model asked for or the model that answered.
    pub models: Vec<String>,
    pub providers: Vec<String>,
    pub kinds: Vec<Kind>,
    pub statuses: Vec<StatusFilter>,
    pub outcomes: Vec<Outcome>,
    pub error_codes: Vec<String>,
    pub user_ids: Vec<UserId>,
    /// Each pair must be there; repeated keys are joined by OR.
    pub properties: Vec<(String, String)>,
    /// `createdAt` at or after.
    pub from: Option<Timestamp>,
    /// `createdAt` before.
    pub to: Option<Timestamp>,
    pub min_cost: Option<NanoUsd>,
    pub min_latency_ms: Option<u64>,
    /// Text in ids, model, property values, error text and previews, without regard to case.
    pub text: Option<String>,
}

/// Which runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the field of the run of the same name")]
pub struct RunFilter {
    pub agent_ids: Vec<AgentId>,
    pub agent_external_ids: Vec<String>,
    pub session_ids: Vec<SessionId>,
    pub trace_ids: Vec<TraceId>,
    pub statuses: Vec<super::view::RunStatus>,
    pub properties: Vec<(String, String)>,
    /// Last activity at or after.
    pub from: Option<Timestamp>,
    /// Started before.
    pub to: Option<Timestamp>,
    pub min_cost: Option<NanoUsd>,
    pub has_errors: Option<bool>,
    /// Text in run id, session id and agent, without regard to case.
    pub text: Option<String>,
    /// Runs whose last activity is before this time are idle.
    pub idle_before: Option<Timestamp>,
}

/// Which sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the field of the session of the same name")]
pub struct SessionFilter {
    pub agent_ids: Vec<AgentId>,
    pub agent_external_ids: Vec<String>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub text: Option<String>,
}
