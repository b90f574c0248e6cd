//! The newest entries as they were appended, so that a drain that keeps up neither reads nor parses what was just written.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rungate_core::exchange::{Body, Entry, Opening, Sequence, Sequenced};
use rungate_core::id::ExchangeId;

/// Memory for entries that wait for the drain. Those beyond it are read from their files.
const MAX_BYTES: u64 = 16 << 20;

/// What an entry takes beside its JSON and its bodies, of a closing the record itself.
const OPENED_BYTES: u64 = 200;
const CLOSED_BYTES: u64 = 2 << 10;

/// The end of the journal: every frame after `after`, in order.
#[derive(Debug)]
pub(super) struct Tail {
    after: u64,
    entries: VecDeque<Remembered>,
    bytes: u64,
}

/// An entry in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    sequence: u64,
    json: Arc<str>,
    content: Content,
}

/// What an entry is beside its JSON.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// An opening. Mostly its closing is there when the drain comes, and has all of it but the body.
    Opened {
        /// The exchange.
        exchange: ExchangeId,
        /// The request's body.
        request: Option<Body>,
    },
    /// Any other entry.
    Whole(Arc<Entry>),
}

impl Content {
    /// That of an entry.
    pub(super) fn of(entry: &Arc<Entry>) -> Self {
        match &**entry {
            Entry::Opened { record, request } => {
                Self::Opened { exchange: record.id, request: request.clone() }
            }
            Entry::Closed { .. } | Entry::Trail { .. } => Self::Whole(Arc::clone(entry)),
        }
    }
}

impl Tail {
    /// Nothing after `last` yet.
    pub(super) const fn new(last: u64) -> Self {
        Self { after: last, entries: VecDeque::new(), bytes: 0 }
    }

    /// Adds the newest frame, exactly as it was written.
    pub(super) fn push(&mut self, sequence: u64, json: Arc<str>, content: Content) {
        let remembered = Remembered { sequence, json, content };
        self.bytes += remembered.bytes();
        self.entries.push_back(remembered);
        while self.bytes > MAX_BYTES {
            self.pop();
        }
    }

    /// The newest frame has not what its entry has: it, and all before, are read from their files.
    pub(super) fn skip(&mut self, sequence: u64) {
        *self = Self::new(sequence);
    }

    /// Entries after `after`, at most `max_entries`, until `max_bytes` are gathered (at least one, if there is one); `None`
    /// when some of them are only in their files.
    pub(super) fn read(&self, after: u64, max_entries: usize, max_bytes: u64) -> Option<Vec<Remembered>> {
        if after < self.after {
            return None;
        }
        let begin = self.entries.partition_point(|entry| entry.sequence <= after);
        let mut gathered = 0;
        let within = |entry: &&Remembered| {
            let is_first = gathered == 0;
            gathered += entry.bytes();
            is_first || gathered <= max_bytes
        };
        Some(self.entries.range(begin..).take(max_entries).take_while(within).cloned().collect())
    }

    /// Entries after `after`, oldest first; `None` when some of them are only in their files.
    pub(super) fn after(&self, after: u64) -> Option<Vec<Remembered>> {
        self.read(after, usize::MAX, u64::MAX)
    }

    /// The log has everything up to `sequence`.
    pub(super) fn release(&mut self, sequence: u64) {
        while self.entries.front().is_some_and(|entry| entry.sequence <= sequence) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.after = oldest.sequence;
            self.bytes -= oldest.bytes();
        }
    }
}

/// Makes entries for the log of what was remembered: an opening goes with its closing where that is there too. `None` when an
/// opening cannot be read, which its file is then to say.
pub(super) fn gather(remembered: Vec<Remembered>) -> Option<Vec<Sequenced>> {
    let mut openings = HashMap::new();
    let mut alone = Vec::new();
    let mut entries = Vec::with_capacity(remembered.len());
    for Remembered { sequence, json, content } in remembered {
        let sequence = Sequence(sequence);
        match content {
            Content::Opened { exchange, request } => {
                // No correct journal opens an exchange twice; if one does, the log is to see it.
                alone.extend(openings.insert(exchange, (Opening { sequence, request }, json)));
            }
            Content::Whole(entry) => {
                let opening = entry.exchange_id().and_then(|exchange| openings.remove(&exchange));
                let opening = opening.map(|(opening, _)| opening);
                entries.push(Sequenced { sequence, entry, opening, json });
            }
        }
    }
    alone.extend(openings.into_values());
    for (Opening { sequence, request }, json) in alone {
        let record = serde_json::from_str(&json).ok()?;
        let entry = Arc::new(Entry::Opened { record, request });
        entries.push(Sequenced { sequence, entry, opening: None, json });
    }
    entries.sort_unstable_by_key(|entry| entry.sequence);
    Some(entries)
}

impl Remembered {
    /// Whether its record says `text` somewhere, as JSON has it.
    pub(super) fn says(&self, text: &str) -> bool {
        memchr::memmem::find(self.json.as_bytes(), text.as_bytes()).is_some()
    }

    /// The exchange it is about, where it is about one.
    pub(super) fn exchange(&self) -> Option<ExchangeId> {
        match &self.content {
            Content::Opened { exchange, .. } => Some(*exchange),
            Content::Whole(entry) => entry.exchange_id(),
        }
    }

    fn bytes(&self) -> u64 {
        let (fixed, bodies) = match &self.content {
            Content::Opened { request, .. } => (OPENED_BYTES, [request.as_ref(), None]),
            Content::Whole(entry) => match &**entry {
                Entry::Closed { request, response, .. } => {
                    (CLOSED_BYTES, [request.as_ref(), response.as_ref()])
                }
                Entry::Opened { request: body, .. } | Entry::Trail { content: body, .. } => {
                    (CLOSED_BYTES, [body.as_ref(), None])
                }
            },
        };
        let bodies = bodies.into_iter().flatten().map(|body| body.bytes.len());
        fixed + (self.json.len() + bodies.sum::<usize>()) as u64
    }
}
