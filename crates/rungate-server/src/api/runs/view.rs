//! A run on the wire, and sums as runs and sessions show them.

use std::collections::BTreeMap;

use rungate_core::activity::{StepKind, StepSource};
use rungate_core::exchange::{ModelTotals, Run, RunStatus, Totals};
use rungate_core::id::{CallerId, RunId, SessionId, TraceId};
use rungate_core::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::requests::view::{AgentView, CostView};

/// Sums over requests that have ended.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SumsView {
    /// Requests that did not succeed.
    pub errors: u64,
    /// All tokens.
    pub tokens: TokenSums,
    /// The known costs.
    #[serde(flatten)]
    pub cost: CostView,
    /// Requests whose cost is unknown; not in the sum.
    pub unknown_cost_requests: u64,
}

/// Sums of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenSums {
    /// All input.
    pub input: u64,
    /// All output.
    pub output: u64,
}

impl From<&Totals> for SumsView {
    fn from(totals: &Totals) -> Self {
        Self {
            errors: totals.errors,
            tokens: TokenSums { input: totals.input_tokens, output: totals.output_tokens },
            cost: Some(totals.cost).into(),
            unknown_cost_requests: totals.unknown_cost_requests,
        }
    }
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Run)]
pub struct RunView {
    /// Our id.
    pub id: Uuid,
    /// The caller's id.
    #[schema(value_type = String)]
    pub run_id: RunId,
    /// The trace it was registered with, else the one it was last seen on.
    #[schema(value_type = Option<String>)]
    pub trace_id: Option<TraceId>,
    /// Its readable name.
    pub name: Option<String>,
    /// The session it was last seen in.
    #[schema(value_type = Option<String>)]
    pub session_id: Option<SessionId>,
    /// Every agent seen in it, in order of appearance.
    pub agents: Vec<AgentView>,
    /// `running`, `idle`, `completed`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    pub status: RunStatus,
    /// When it was registered, or its first request came in.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When something last happened in it.
    #[schema(value_type = String, format = DateTime)]
    pub last_activity_at: Timestamp,
    /// When it was ended; null while nobody has.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Why it was ended, as it was said.
    pub end_reason: Option<String>,
    /// From its start to its last activity.
    pub duration_ms: u64,
    /// Requests, open ones included.
    pub requests: u64,
    /// Events reported of it.
    pub events: u64,
    /// Checks by what was answered.
    pub checks: CheckCounts,
    /// Sums over the requests that have ended.
    #[serde(flatten)]
    pub sums: SumsView,
    /// The models that answered.
    pub models: Vec<String>,
    /// Always empty in this version.
    #[schema(value_type = Vec<Object>)]
    pub budgets: Vec<Value>,
}

/// Checks by decision.
#[derive(Debug, Default, Serialize, ToSchema)]
#[expect(missing_docs, reason = "the names are those of the decisions")]
pub struct CheckCounts {
    pub allow: u64,
    pub hold: u64,
    pub deny: u64,
    /// Side effects that were reported and never checked. Always 0 in this version.
    pub unchecked: u64,
}

impl RunView {
    /// Puts a run on the wire. Without activity since `idle_before` it is idle.
    pub fn new(run: Run, idle_before: Timestamp) -> Self {
        let status = match &run.end {
            Some(end) => end.status.into(),
            None if run.last_activity_at < idle_before => RunStatus::Idle,
            None => RunStatus::Running,
        };
        let (ended_at, end_reason) = run.end.map(|end| (end.at, end.reason)).unzip();
        Self {
            id: run.id,
            run_id: run.run_id,
            trace_id: run.trace_id,
            name: run.name,
            session_id: run.session_id,
            agents: run.agents.into_iter().map(AgentView::from).collect(),
            status,
            started_at: run.started_at,
            last_activity_at: run.last_activity_at,
            ended_at,
            end_reason: end_reason.flatten(),
            duration_ms: milliseconds(run.started_at, run.last_activity_at),
            requests: run.totals.requests + run.open,
            events: run.events,
            checks: CheckCounts {
                allow: run.checks.allow,
                hold: run.checks.hold,
                deny: run.checks.deny,
                unchecked: 0,
            },
            sums: (&run.totals).into(),
            models: run.models,
            budgets: Vec::new(),
        }
    }
}

/// One run with what lies in it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunDetail {
    /// The run.
    #[serde(flatten)]
    pub run: RunView,
    /// The system prompt that it was registered with, as far as it is kept.
    pub system_prompt: Option<String>,
    /// The properties that it was registered with, and those of its requests; of a repeated key the latest value.
    pub properties: BTreeMap<String, String>,
    /// The steps that its requests, events and checks name, as a tree.
    pub steps: Vec<StepView>,
    /// Whether there are more than the 10 000 requests, or entries of its trail, that `steps` and `properties` are taken from.
    pub steps_truncated: bool,
    /// What each model cost.
    pub cost_by_model: Vec<ModelCostView>,
}

/// What one model cost.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ModelCost)]
pub struct ModelCostView {
    /// The provider that answered.
    pub provider: String,
    /// The model that answered.
    pub model: String,
    /// Requests that have ended.
    pub requests: u64,
    /// Sums over them.
    #[serde(flatten)]
    pub sums: SumsView,
}

impl From<ModelTotals> for ModelCostView {
    fn from(ModelTotals { provider, model, totals }: ModelTotals) -> Self {
        Self { provider, model, requests: totals.requests, sums: (&totals).into() }
    }
}

/// One step of a run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Step)]
pub struct StepView {
    /// The caller's id.
    #[schema(value_type = String)]
    pub step_id: CallerId,
    /// The step it was said to be part of.
    #[schema(value_type = Option<String>)]
    pub parent_step_id: Option<CallerId>,
    /// What kind of step, as the caller says.
    #[schema(value_type = Option<String>)]
    pub step_kind: Option<StepKind>,
    /// Who found the step.
    #[schema(value_type = Option<String>)]
    pub step_source: Option<StepSource>,
    /// The node of the caller's graph.
    #[schema(value_type = Option<String>)]
    pub graph_node: Option<CallerId>,
    /// When its first request or event came in.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When something last happened in it.
    #[schema(value_type = String, format = DateTime)]
    pub last_activity_at: Timestamp,
    /// From its start to its last activity.
    pub duration_ms: u64,
    /// Its own requests, open ones included; those of its children are not counted in.
    pub requests: u64,
    /// Its own events and checks.
    pub events: u64,
    /// Sums over its own requests that have ended.
    #[serde(flatten)]
    pub sums: SumsView,
    /// The steps within.
    #[schema(no_recursion)]
    pub children: Vec<StepView>,
}

/// The time between two points.
pub fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}
