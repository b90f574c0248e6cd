//! A request on the wire, and the parts of it that other views of the log share.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rungate_core::activity::{AgentStamp, Attribution, Step, StepKind, StepSource, Trust};
use rungate_core::code::Code;
use rungate_core::exchange::{Attempt, CacheUse, CostStatus, Decision, Effect, Outcome};
use rungate_core::id::{
    AgentId, CallerId, ExchangeId, ExternalId, MemberId, ProviderKeyId, RequestId, RunId, SessionId, TraceId,
    UserId, VirtualKeyId,
};
use rungate_core::money::NanoUsd;
use rungate_core::operation::Kind;
use rungate_core::ports::Row;
use rungate_core::time::Timestamp;
use rungate_core::usage::{Usage, UsageSource};
use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;
use uuid::Uuid;

/// A request: one row of the log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Request)]
pub struct RequestView {
    /// Our id, as in `alephant-id`.
    #[schema(value_type = Uuid)]
    pub id: ExchangeId,
    /// The client's `x-request-id`.
    #[schema(value_type = Option<String>)]
    pub request_id: Option<RequestId>,
    /// The task execution.
    #[schema(value_type = Option<String>)]
    pub run_id: Option<RunId>,
    /// The conversation.
    #[schema(value_type = Option<String>)]
    pub session_id: Option<SessionId>,
    /// Where in the session's tree.
    pub session_path: Option<String>,
    /// The session's readable name.
    pub session_name: Option<String>,
    /// The trace it joins.
    #[schema(value_type = Option<String>)]
    pub trace_id: Option<TraceId>,
    /// The trace id of a W3C `traceparent`.
    pub otel_trace_id: Option<String>,
    /// The end user.
    #[schema(value_type = Option<String>)]
    pub user_id: Option<UserId>,
    /// The agent in the registry.
    #[schema(value_type = Option<Uuid>)]
    pub agent_id: Option<AgentId>,
    /// The agent's readable id.
    #[schema(value_type = String)]
    pub agent_external_id: ExternalId,
    /// The agent's name then.
    pub agent_name: Option<String>,
    /// How sure we are: `auth_bound`, `registry_verified`, `self_reported` or `system_derived`.
    #[schema(value_type = String)]
    pub agent_trust: Trust,
    /// The member the key is bound to.
    #[schema(value_type = Option<Uuid>)]
    pub member_id: Option<MemberId>,
    /// Always null in this version.
    pub department_id: Option<Uuid>,
    /// The key that was sent.
    #[schema(value_type = Uuid)]
    pub virtual_key_id: VirtualKeyId,
    /// Its label then.
    pub virtual_key_label: String,
    /// Its shown prefix then.
    pub key_prefix: String,
    /// The provider key used last.
    #[schema(value_type = Option<Uuid>)]
    pub provider_key_id: Option<ProviderKeyId>,
    /// The step, as the caller named it.
    #[serde(flatten)]
    pub step: StepFields,

    /// When its first byte came in.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Timestamp>,
    /// The family of the operation.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// The client's method.
    pub method: String,
    /// The client's path, without its query.
    pub path: String,
    /// The status the client got; 499 when it left.
    pub status: Option<u16>,
    /// How it ended: `pending`, `interrupted`, `succeeded`, `refused`, `upstream_failed`, `client_closed`, `abandoned`.
    #[schema(value_type = String)]
    pub outcome: Outcome,
    /// The code of the error the client got.
    #[schema(value_type = Option<String>)]
    pub error_code: Option<Code>,
    /// The error's message, for people.
    pub error_message: Option<String>,
    /// What the client was warned of.
    pub warnings: Vec<String>,

    /// The model as the client named it.
    pub requested_model: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// The provider that answered.
    pub provider: Option<String>,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// Every try at a provider.
    pub attempts: Vec<AttemptView>,

    /// What was used.
    pub tokens: TokensView,
    /// Where the counts come from: `reported`, `estimated` or `unknown`.
    #[schema(value_type = String)]
    pub usage_source: UsageSource,
    /// What it cost.
    #[serde(flatten)]
    pub cost: CostView,
    /// What is known of the cost: `pending`, `final`, `estimated` or `unknown`.
    #[schema(value_type = String)]
    pub cost_status: CostStatus,
    /// The most it could cost, held in its budgets until it ended; null where no budget applied.
    pub reserved_nano_usd: Option<String>,
    /// The price list that the cost was taken from.
    pub price_snapshot_id: Option<String>,
    /// What the kept answer cost when it was made; null where none was given, or its cost is not known.
    pub cache_saved_nano_usd: Option<String>,

    /// From the first byte in to the end.
    pub latency_ms: Option<u64>,
    /// From the first byte in to the first byte of the answer.
    pub ttft_ms: Option<u64>,
    /// The part of `latencyMs` that the gateway took before it sent the request upstream; may be fractional.
    pub overhead_ms: Option<f64>,
    /// Size of the request's body.
    pub request_bytes: u64,
    /// Size of the answer's body.
    pub response_bytes: u64,
    /// What came of caching: `hit`, `miss` or `bypass`; null where nobody asked for it.
    #[schema(value_type = Option<String>)]
    pub cache: Option<CacheUse>,
    /// What policies said.
    pub decisions: Vec<DecisionView>,
    /// Searchable properties.
    pub properties: BTreeMap<String, String>,
    /// The client's address.
    #[schema(value_type = Option<String>)]
    pub client_ip: Option<IpAddr>,
    /// The client's country.
    pub country: Option<String>,
    /// Start of the last user text; empty when bodies are not kept.
    pub preview_in: String,
    /// Start of the answer's text; empty when bodies are not kept.
    pub preview_out: String,
    /// Which bodies can be read.
    pub bodies: BodiesKept,
}

/// The step fields of a request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "one field per header of the same name")]
pub struct StepFields {
    #[schema(value_type = Option<String>)]
    pub step_id: Option<CallerId>,
    #[schema(value_type = Option<String>)]
    pub parent_step_id: Option<CallerId>,
    #[schema(value_type = Option<String>)]
    pub tool_call_id: Option<CallerId>,
    #[schema(value_type = Option<String>)]
    pub handoff_id: Option<CallerId>,
    #[schema(value_type = Option<String>)]
    pub graph_node: Option<CallerId>,
    #[schema(value_type = Option<String>)]
    pub state_hash: Option<CallerId>,
    #[schema(value_type = Option<String>)]
    pub step_input_hash: Option<CallerId>,
    pub iteration: Option<u32>,
    pub step_attempt: Option<u32>,
    #[schema(value_type = Option<String>)]
    pub step_kind: Option<StepKind>,
    #[schema(value_type = Option<String>)]
    pub step_source: Option<StepSource>,
}

/// Tokens of one request; all null when nothing is known.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokensView {
    /// All input.
    pub input: Option<u64>,
    /// All output.
    pub output: Option<u64>,
    /// Input read from the provider's cache.
    pub cached_input: Option<u64>,
    /// Input written to the provider's cache, whatever its lifetime.
    pub cache_write: Option<u64>,
    /// Output spent on reasoning.
    pub reasoning: Option<u64>,
    /// Input that was audio.
    pub audio_input: Option<u64>,
    /// Output that was audio.
    pub audio_output: Option<u64>,
}

/// An amount in both notations; null when it is unknown.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostView {
    /// In US dollars.
    #[schema(value_type = Option<f64>)]
    pub cost_usd: Option<Number>,
    /// In nano-dollars, exact.
    pub cost_nano_usd: Option<String>,
}

/// One try at a provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Attempt)]
pub struct AttemptView {
    /// The provider's id.
    pub provider: String,
    /// The model as it was sent.
    pub model: Option<String>,
    /// The provider key used.
    #[schema(value_type = Uuid)]
    pub provider_key_id: ProviderKeyId,
    /// The provider's status; null when no answer came.
    pub status: Option<u16>,
    /// The provider's own id of the request.
    pub upstream_request_id: Option<String>,
    /// Until the head of the answer, or the failure.
    pub latency_ms: u64,
    /// Why it failed.
    #[schema(value_type = Option<String>)]
    pub error_code: Option<Code>,
    /// What it cost, in nano-USD: the most it can have cost where nobody knows.
    pub cost_nano_usd: Option<String>,
}

/// What a policy said.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Decision)]
pub struct DecisionView {
    /// The policy; null for a rule of the key, the agent or the workspace itself.
    pub policy_id: Option<String>,
    /// The rule.
    pub r#type: String,
    /// `allow` or `deny`.
    #[schema(value_type = String)]
    pub effect: Effect,
    /// Why, for people.
    pub reason: Option<String>,
}

/// Which bodies can be read.
#[derive(Debug, Serialize, ToSchema)]
pub struct BodiesKept {
    /// What the client sent.
    pub request: bool,
    /// What the client got.
    pub response: bool,
}

/// An agent, as seen in traffic.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SeenAgent)]
pub struct AgentView {
    /// The agent in the registry.
    #[schema(value_type = Option<Uuid>)]
    pub id: Option<AgentId>,
    /// The readable id.
    #[schema(value_type = String)]
    pub external_id: ExternalId,
    /// The name then.
    pub name: Option<String>,
    /// How sure we are.
    #[schema(value_type = String)]
    pub trust: Trust,
}

impl From<Row> for RequestView {
    fn from(Row { record, has_request_body, has_response_body }: Row) -> Self {
        let Attribution {
            run_id,
            session_id,
            session_path,
            session_name,
            trace_id,
            otel_trace_id,
            user_id,
            step,
            properties,
        } = record.attribution;
        let AgentStamp { id: agent_id, external_id, name, trust } = record.agent;
        Self {
            id: record.id,
            request_id: record.request_id,
            run_id,
            session_id,
            session_path,
            session_name,
            trace_id,
            otel_trace_id,
            user_id,
            agent_id,
            agent_external_id: external_id,
            agent_name: name,
            agent_trust: trust,
            member_id: record.member_id,
            department_id: None,
            virtual_key_id: record.virtual_key_id,
            virtual_key_label: record.virtual_key_label,
            key_prefix: record.key_prefix,
            provider_key_id: record.provider_key_id,
            step: step.into(),
            created_at: record.created_at,
            completed_at: record.completed_at,
            kind: record.kind,
            method: record.method,
            path: record.path,
            status: record.status,
            outcome: record.outcome,
            error_code: record.error_code,
            error_message: record.error_message,
            warnings: record.warnings,
            requested_model: record.requested_model,
            model: record.model,
            provider: record.provider,
            stream: record.stream,
            attempts: attempts(record.attempts, record.cost),
            tokens: record.usage.into(),
            usage_source: record.usage_source,
            cost: record.cost.into(),
            cost_status: record.cost_status,
            reserved_nano_usd: record.reserved.map(|reserved| reserved.nanos().to_string()),
            price_snapshot_id: record.price_snapshot_id,
            cache_saved_nano_usd: record.cache_saved.map(|saved| saved.nanos().to_string()),
            latency_ms: record.latency_ms,
            ttft_ms: record.ttft_ms,
            overhead_ms: record.overhead_us.and_then(milliseconds),
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            cache: record.cache,
            decisions: record.decisions.into_iter().map(DecisionView::from).collect(),
            properties,
            client_ip: record.client_ip,
            country: record.country,
            preview_in: record.preview_in,
            preview_out: record.preview_out,
            bodies: BodiesKept { request: has_request_body, response: has_response_body },
        }
    }
}

fn milliseconds(micros: u64) -> Option<f64> {
    u32::try_from(micros).ok().map(|micros| f64::from(micros) / 1_000.0)
}

impl From<Step> for StepFields {
    fn from(step: Step) -> Self {
        Self {
            step_id: step.step_id,
            parent_step_id: step.parent_step_id,
            tool_call_id: step.tool_call_id,
            handoff_id: step.handoff_id,
            graph_node: step.graph_node,
            state_hash: step.state_hash,
            step_input_hash: step.step_input_hash,
            iteration: step.iteration,
            step_attempt: step.step_attempt,
            step_kind: step.step_kind,
            step_source: step.step_source,
        }
    }
}

impl From<Option<Usage>> for TokensView {
    fn from(usage: Option<Usage>) -> Self {
        Self {
            input: usage.map(|usage| usage.input),
            output: usage.map(|usage| usage.output),
            cached_input: usage.map(|usage| usage.cached_input),
            cache_write: usage.map(|usage| usage.cache_write + usage.cache_write_1h),
            reasoning: usage.map(|usage| usage.reasoning),
            audio_input: usage.map(|usage| usage.audio_input),
            audio_output: usage.map(|usage| usage.audio_output),
        }
    }
}

impl From<Option<NanoUsd>> for CostView {
    fn from(cost: Option<NanoUsd>) -> Self {
        Self {
            cost_usd: cost.map(NanoUsd::to_usd_number),
            cost_nano_usd: cost.map(|cost| cost.nanos().to_string()),
        }
    }
}

/// The one that was made alone cost what the exchange cost.
fn attempts(mut made: Vec<Attempt>, cost: Option<NanoUsd>) -> Vec<AttemptView> {
    if let [single] = &mut made[..] {
        single.cost = single.cost.or(cost);
    }
    made.into_iter().map(AttemptView::from).collect()
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        Self {
            provider: attempt.provider,
            model: attempt.model,
            provider_key_id: attempt.provider_key_id,
            status: attempt.status,
            upstream_request_id: attempt.upstream_request_id,
            latency_ms: attempt.latency_ms,
            error_code: attempt.error_code,
            cost_nano_usd: attempt.cost.map(|cost| cost.nanos().to_string()),
        }
    }
}

impl From<Decision> for DecisionView {
    fn from(Decision { policy_id, rule, effect, reason, .. }: Decision) -> Self {
        Self { policy_id, r#type: rule, effect, reason }
    }
}

impl From<AgentStamp> for AgentView {
    fn from(AgentStamp { id, external_id, name, trust }: AgentStamp) -> Self {
        Self { id, external_id, name, trust }
    }
}
