//! What a list of trail entries can be asked for.

use super::check::CheckDecision;
use super::entry::{TrailEntry, TrailKind};
use super::event::EventType;
use crate::id::{RunId, TrailId};
use crate::time::Timestamp;

/// Which entries. Fields are joined by AND; the values of one field by OR; an empty field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the field of the entry of the same name")]
pub struct TrailFilter {
    pub ids: Vec<TrailId>,
    pub run_id: Option<RunId>,
    pub kinds: Vec<TrailKind>,
    pub decisions: Vec<CheckDecision>,
    pub event_types: Vec<EventType>,
    /// Agents by external id.
    pub agent_external_ids: Vec<String>,
    /// `at` at or after.
    pub from: Option<Timestamp>,
    /// `at` before.
    pub to: Option<Timestamp>,
}

/// Whether contents are read along with entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// They are.
    Read,
    /// Only whether they are there.
    LeftOut,
}

/// An entry with its content, as far as it was kept and asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailRow {
    /// The entry.
    pub entry: TrailEntry,
    /// Whether its content is kept.
    pub has_content: bool,
    /// Its content.
    pub content: Option<bytes::Bytes>,
}
