//! Forgetting what was said, and keeping what it cost.

use serde::{Deserialize, Serialize};

use crate::exchange::record::ExchangeRecord;
use crate::id::{RunId, SessionId, UserId};

/// Whose exchanges are to lose their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Everything that carried this user id.
    User(UserId),
    /// Everything of this session.
    Session(SessionId),
    /// Everything of this run.
    Run(RunId),
}

impl Subject {
    /// Whether an exchange is the subject's.
    pub fn is_of(&self, record: &ExchangeRecord) -> bool {
        let attribution = &record.attribution;
        match self {
            Self::User(id) => attribution.user_id.as_ref() == Some(id),
            Self::Session(id) => attribution.session_id.as_ref() == Some(id),
            Self::Run(id) => attribution.run_id.as_ref() == Some(id),
        }
    }
}

/// What an erasure did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erased {
    /// Exchanges of the subject, those that had nothing to erase included.
    pub exchanges: u64,
    /// Bodies that were kept, and are gone.
    pub bodies: u64,
    /// Previews that were kept, and are gone.
    pub previews: u64,
    /// Exchanges of the subject that are still open: what they will say is not erased by this.
    pub open: u64,
    /// Entries of the subject's trails: registrations, events, checks.
    #[serde(default)]
    pub entries: u64,
}

impl Erased {
    /// Adds what another part of the store did.
    pub fn add(&mut self, other: Self) {
        self.exchanges += other.exchanges;
        self.bodies += other.bodies;
        self.previews += other.previews;
        self.open += other.open;
        self.entries += other.entries;
    }
}

impl ExchangeRecord {
    /// Takes the text out of a record: its previews, and what an error says, since providers quote prompts in errors.
    /// How many previews there were.
    pub fn erase_text(&mut self) -> u64 {
        let previews = [&mut self.preview_in, &mut self.preview_out];
        let there = previews.iter().filter(|preview| !preview.is_empty()).count() as u64;
        previews.into_iter().for_each(String::clear);
        self.error_message = None;
        there
    }
}
