//! The trails of registered runs: in memory while something happens in them, in the journal before anything is acknowledged.
//!
//! What is told of one run is taken one after the other, under its lock: that is the order of its trail, and what a check sees is
//! everything that was acknowledged before it. A run that is quiet leaves memory; what is known of it comes back from the log.

mod check;
mod judged;
mod known;
mod tell;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rungate_core::activity::AgentStamp;
use rungate_core::id::{CallerId, RunId, SessionId, TraceId, TrailId, VirtualKeyId, WorkspaceId};
use rungate_core::ports::StoreError;
use rungate_core::time::Timestamp;
use rungate_core::trail::{EndStatus, Registration};

use crate::journal::JournalError;
use judged::Judged;

pub use check::{AskedCheck, Checked, Outcome, Resolving};
pub use judged::Standing;
pub use known::Trails;

/// A run as it is to be registered.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The caller's id; without one the run is called like its trace.
    pub run_id: Option<RunId>,
    /// The session.
    pub session_id: Option<SessionId>,
    /// Whose run it is.
    pub agent: AgentStamp,
    /// The key that registers it.
    pub virtual_key_id: Option<VirtualKeyId>,
    /// What is said of it.
    pub registration: Registration,
    /// May be empty.
    pub system_prompt: String,
}

/// A run that is registered.
#[derive(Debug)]
pub struct Trail {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The caller's id.
    pub run_id: RunId,
    /// The trace.
    pub trace_id: TraceId,
    /// The session.
    pub session_id: Option<SessionId>,
    /// Whose run it is.
    pub agent: AgentStamp,
    /// When it was registered.
    pub registered_at: Timestamp,
    state: Mutex<State>,
    /// Something held was resolved.
    resolved: Arc<tokio::sync::Notify>,
}

/// What changes of a trail.
#[derive(Debug)]
struct State {
    /// The next entry comes after it.
    last_at: Timestamp,
    end: Option<EndStatus>,
    ids: GivenIds,
    /// Entries that were added since it is in memory.
    added: u64,
    /// What checks look at; there once the first was asked for.
    judged: Option<Box<Judged>>,
}

/// Ids that callers gave to events, with what each said.
#[derive(Debug, Default)]
struct GivenIds {
    known: std::collections::HashMap<TrailId, u64>,
    /// Others may be in the log.
    is_cut: bool,
}

/// Where an entry belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The key that tells it.
    pub virtual_key_id: Option<VirtualKeyId>,
    /// The step.
    pub step_id: Option<CallerId>,
    /// The step above.
    pub parent_step_id: Option<CallerId>,
    /// The tool call.
    pub tool_call_id: Option<CallerId>,
}

/// An entry that is on the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Its id.
    pub id: TrailId,
    /// When it arrived.
    pub at: Timestamp,
}

/// Why nothing was added to a trail.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// An event with this id is there, and says something else.
    #[error("an event with this id is there already, and is another")]
    IdConflict,
    /// The run was ended before, in another way.
    #[error("the run was ended as {}", .0.as_str())]
    EndedBefore(EndStatus),
    /// The run was ended: nothing is checked any more.
    #[error("the run was ended as {}", .0.as_str())]
    Ended(EndStatus),
    /// An action has more values than are looked at.
    #[error(transparent)]
    TooMuch(#[from] rungate_check::normalise::TooMuch),
    /// The approval is of another action, or of none.
    #[error("the approval is not of this action")]
    ApprovalMismatch,
    /// The approval was used before.
    #[error("the approval was used before")]
    ApprovalUsed,
    /// No action is held under this id of a check.
    #[error("no held action has this id")]
    NotHeld,
    /// The held action was resolved before, or nobody did in time.
    #[error("the held action is {} already", .0.as_str())]
    ResolvedBefore(Standing),
    /// It could not be made durable.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What was told before cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Trail {
    /// How it was ended; `None` while nobody has.
    pub fn end(&self) -> Option<EndStatus> {
        self.state().end
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
