//! The attribution of one request, as its headers gave it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, CallerId, ExternalId, RunId, SessionId, TraceId, UserId};

/// How sure we are which agent made a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The virtual key is bound to the agent.
    AuthBound,
    /// A header names a registered agent of the workspace.
    RegistryVerified,
    /// A header names an agent nobody registered.
    SelfReported,
    /// No agent was named; the key stands in for one.
    SystemDerived,
}

/// The agent of an exchange or a run, as known when it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentStamp {
    /// The agent in the registry; absent when the key stands in for one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<AgentId>,
    /// The readable id; `vk:<key id>` when the key stands in for an agent.
    pub external_id: ExternalId,
    /// The agent's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// How sure we are.
    pub trust: Trust,
}

/// What kind of step a request is, as the caller says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the caller's own vocabulary and say it all")]
pub enum StepKind {
    Planning,
    Reasoning,
    LlmCall,
    ToolCall,
    ToolResult,
    Handoff,
    Approval,
    Checkpoint,
    FinalAnswer,
    Retry,
    ErrorRecovery,
    Unknown,
}

/// Who found the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the caller's own vocabulary and say it all")]
pub enum StepSource {
    Runtime,
    Gateway,
    Rule,
    Heuristic,
    Unknown,
}

/// The step fields of one request; all of them optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "one field per header of the same name")]
pub struct Step {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_id: Option<CallerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_step_id: Option<CallerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<CallerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handoff_id: Option<CallerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_node: Option<CallerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_hash: Option<CallerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_input_hash: Option<CallerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_kind: Option<StepKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_source: Option<StepSource>,
}

/// What a request belongs to, apart from its agent. The row keeps it whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attribution {
    /// The task execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Where in the session's tree; starts with `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_path: Option<String>,
    /// The session's readable name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
    /// The trace it joins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// The trace id of a W3C `traceparent`; never used as the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otel_trace_id: Option<String>,
    /// The end user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The step.
    #[serde(flatten)]
    pub step: Step,
    /// Searchable properties; keys in lower case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}
