//! What checks of a run look at: what it has said so far, and which of its actions are held. Made of its trail alone, entry by
//! entry, so that it is the same after a restart.

use std::collections::HashMap;
use std::time::Duration;

use rungate_check::state::{RunState, Source};
use rungate_core::id::TrailId;
use rungate_core::page::{Order, PageRequest, Position};
use rungate_core::ports::StoreError;
use rungate_core::time::Timestamp;
use rungate_core::trail::{Check, CheckDecision, Contents, Resolution, TrailEntry, TrailFilter, What};
use serde_json::Value;
use uuid::Uuid;

use super::{Trail, Trails};

/// An action that is allowed by hand waits this long for the agent to go on.
const USABLE_FOR: Duration = Duration::from_mins(15);
/// Entries that are read at a time.
const PAGE: usize = 200;

/// What checks look at.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub run: RunState,
    /// Held actions by the id of their hold.
    pub held: HashMap<Uuid, Held>,
}

/// A held action.
#[derive(Debug)]
pub(super) struct Held {
    /// The check that it was held by.
    pub check_id: TrailId,
    /// Which action; see [`Check::arguments_hash`].
    pub arguments_hash: String,
    expires_at: Timestamp,
    /// What somebody said of it, and when.
    pub resolved: Option<(Resolution, Timestamp)>,
    is_used: bool,
}

/// Where a held action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has said anything, and there is time.
    Waiting,
    /// Somebody allowed it, and it was not done yet.
    Allowed,
    /// It was allowed and done.
    Used,
    /// Somebody denied it.
    Denied,
    /// Time ran out.
    Expired,
}

impl Standing {
    /// Its name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "open",
            Self::Allowed | Self::Used => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }
}

impl Held {
    pub(super) fn standing(&self, now: Timestamp) -> Standing {
        match &self.resolved {
            _ if self.is_used => Standing::Used,
            Some((said, _)) if said.decision == CheckDecision::Deny => Standing::Denied,
            Some((_, at)) if now < at.plus(USABLE_FOR) => Standing::Allowed,
            None if now < self.expires_at => Standing::Waiting,
            Some(_) | None => Standing::Expired,
        }
    }
}

impl Judged {
    /// Takes in the next entry of the trail. `content` is `None` where it is no longer kept.
    pub(super) fn see(&mut self, entry: &TrailEntry, content: Option<&[u8]>) {
        match &entry.what {
            What::Registered(_) => match content {
                Some(prompt) => self.run = RunState::new(&String::from_utf8_lossy(prompt)),
                None => self.run.lost(Source::Operator, entry.id),
            },
            What::Event(event) => {
                let source = Source::of(event.event_type);
                match content.and_then(|content| serde_json::from_slice::<Value>(content).ok()) {
                    Some(content) => self.run.observe(source, entry.id, &content),
                    None => self.run.lost(source, entry.id),
                }
            }
            What::Check(check) => self.hold(entry.id, check),
            What::Resolved(resolution) => {
                if let Some(held) = self.held.get_mut(&resolution.hold_id) {
                    held.resolved.get_or_insert_with(|| (resolution.clone(), entry.at));
                }
            }
            What::Ended(_) => {}
        }
    }

    fn hold(&mut self, check_id: TrailId, check: &Check) {
        if let Some(used) = check.approval_id.and_then(|id| self.held.get_mut(&id)) {
            used.is_used = true;
        }
        if let Some(hold) = &check.hold {
            let held = Held {
                check_id,
                arguments_hash: check.arguments_hash.clone(),
                expires_at: hold.expires_at,
                resolved: None,
                is_used: false,
            };
            self.held.insert(hold.id, held);
        }
    }
}

/// A trail as far as it was read.
#[derive(Default)]
pub(super) struct Reading {
    pub judged: Box<Judged>,
    after: Option<Position>,
}

impl Trails {
    /// Reads on in the log, up to what it has.
    pub(super) async fn read_on(&self, trail: &Trail, mut reading: Reading) -> Result<Reading, StoreError> {
        self.catch_up(trail.trace_id.as_str()).await?;
        let filter = TrailFilter { run_id: Some(trail.run_id.clone()), ..TrailFilter::default() };
        loop {
            let page = PageRequest { limit: PAGE, after: reading.after.clone(), order: Order::Asc };
            let rows = self.log.trail(trail.workspace, &filter, Contents::Read, &page).await?.items;
            let Some(last) = rows.last() else { return Ok(reading) };
            let position = Position { at: last.entry.at.micros(), id: last.entry.id.to_string() };
            for row in &rows {
                // An entry that came without content has none that was lost.
                let content = row.content.as_deref().or_else(|| (!row.has_content).then_some(&[][..]));
                reading.judged.see(&row.entry, content);
            }
            reading.after = Some(position);
        }
    }
}
