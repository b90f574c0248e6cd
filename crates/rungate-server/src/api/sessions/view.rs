//! A session on the wire.

use rungate_core::exchange::Session;
use rungate_core::id::SessionId;
use rungate_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::requests::view::AgentView;
use crate::api::runs::view::SumsView;

/// Whether a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// Active lately.
    Active,
    /// Nothing happened for a while.
    Completed,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub struct SessionView {
    /// The caller's id.
    #[schema(value_type = String)]
    pub session_id: SessionId,
    /// The name last given.
    pub name: Option<String>,
    /// The path last given.
    pub path: Option<String>,
    /// How many runs were seen in it.
    pub runs: u64,
    /// Requests that have ended.
    pub requests: u64,
    /// Every agent seen in it, in order of appearance.
    pub agents: Vec<AgentView>,
    /// Whether it goes on.
    pub status: SessionStatus,
    /// When its first request came in.
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Timestamp,
    /// When something last happened in it.
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
    /// The same as `requests` in this version: each request is a step.
    pub steps: u64,
    /// Sums over the requests that have ended.
    #[serde(flatten)]
    pub sums: SumsView,
}

impl SessionView {
    /// Puts a session on the wire. Without activity since `idle_before` it is completed.
    pub fn new(session: Session, idle_before: Timestamp) -> Self {
        let idle = session.last_at < idle_before;
        Self {
            session_id: session.session_id,
            name: session.name,
            path: session.path,
            runs: session.runs,
            requests: session.totals.requests,
            agents: session.agents.into_iter().map(AgentView::from).collect(),
            status: if idle { SessionStatus::Completed } else { SessionStatus::Active },
            first_at: session.first_at,
            last_at: session.last_at,
            steps: session.totals.requests,
            sums: (&session.totals).into(),
        }
    }
}
