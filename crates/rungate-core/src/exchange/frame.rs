//! What the journal carries from the pipeline to the log.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::exchange::record::ExchangeRecord;
use crate::id::ExchangeId;
use crate::trail::TrailEntry;

/// A place in a node's journal: the number of its last frame. Frames count from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

/// One body of an exchange, as it may be kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// The bytes.
    pub bytes: Bytes,
    /// Whether it was longer than what is kept.
    pub truncated: bool,
    /// Whether something was masked.
    pub redacted: bool,
}

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Written before money can be spent. Holds the request's body, where bodies are kept.
    Opened {
        /// Outcome `pending`.
        record: Arc<ExchangeRecord>,
        /// The request's body.
        request: Option<Body>,
    },
    /// Written before the client gets the last byte of its answer. A refusal has no opening, only this.
    Closed {
        /// The whole record.
        record: Arc<ExchangeRecord>,
        /// The request's body, when there was no opening to carry it.
        request: Option<Body>,
        /// The answer's body, as the client got it.
        response: Option<Body>,
    },
    /// Something was reported of a run, or said to what was reported. Written before it is answered.
    Trail {
        /// The entry.
        entry: Box<TrailEntry>,
        /// Its content.
        content: Option<Body>,
    },
}

impl Entry {
    /// The record of an exchange that it carries.
    pub const fn record(&self) -> Option<&Arc<ExchangeRecord>> {
        match self {
            Self::Opened { record, .. } | Self::Closed { record, .. } => Some(record),
            Self::Trail { .. } => None,
        }
    }

    /// The exchange it is about, where it is about one.
    pub fn exchange_id(&self) -> Option<ExchangeId> {
        self.record().map(|record| record.id)
    }

    /// What it carries, as JSON.
    ///
    /// # Errors
    /// None that is known: it holds nothing that JSON has no form for.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Opened { record, .. } | Self::Closed { record, .. } => record.to_json(),
            Self::Trail { entry, .. } => entry.to_json(),
        }
    }
}

/// What is left of an opening once the closing is there, whose record has everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Its place.
    pub sequence: Sequence,
    /// The request's body.
    pub request: Option<Body>,
}

/// An entry with its place in the journal. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequenced {
    /// Its place.
    pub sequence: Sequence,
    /// The entry.
    pub entry: Arc<Entry>,
    /// The opening that goes with this closing, where it needs no entry of its own: both come at once.
    pub opening: Option<Opening>,
    /// What it carries as the journal has it: JSON, serialised once for journal and log.
    pub json: Arc<str>,
}

impl Sequenced {
    /// An entry that comes from no journal.
    ///
    /// # Errors
    /// When the record cannot be serialised.
    pub fn new(sequence: Sequence, entry: impl Into<Arc<Entry>>) -> Result<Self, serde_json::Error> {
        let entry = entry.into();
        let json = entry.to_json()?.into();
        Ok(Self { sequence, entry, opening: None, json })
    }
}
