//! The newest entries as they were appended, so that a drain that keeps up neither reads nor parses what was just written.

use std::collections::VecDeque;
use std::sync::Arc;

use rungate_core::exchange::{Entry, Sequence, Sequenced};

use super::frame::Frame;

/// Memory for entries that wait for the drain. Those beyond it are read from their files.
const MAX_BYTES: u64 = 8 << 20;

/// What an entry takes beside its JSON and its bodies: the record itself.
const ENTRY_BYTES: u64 = 2 << 10;

/// The end of the journal: every frame after `after`, in order.
#[derive(Debug)]
pub(super) struct Tail {
    after: u64,
    entries: VecDeque<Sequenced>,
    bytes: u64,
}

impl Tail {
    /// Nothing after `last` yet.
    pub(super) const fn new(last: u64) -> Self {
        Self { after: last, entries: VecDeque::new(), bytes: 0 }
    }

    /// Adds the newest frame, exactly as it was written.
    pub(super) fn push(&mut self, sequence: u64, entry: &Arc<Entry>, frame: &Frame<'_>) {
        let sequenced =
            Sequenced { sequence: Sequence(sequence), entry: Arc::clone(entry), json: frame.json() };
        self.bytes += bytes_of(&sequenced);
        self.entries.push_back(sequenced);
        while self.bytes > MAX_BYTES {
            self.pop();
        }
    }

    /// The newest frame has not what its entry has: it, and all before, are read from their files.
    pub(super) fn skip(&mut self, sequence: u64) {
        *self = Self::new(sequence);
    }

    /// Entries after `after` until `max_bytes` are gathered (at least one, if there is one); `None` when some of them
    /// are only in their files.
    pub(super) fn read(&self, after: u64, max_bytes: u64) -> Option<Vec<Sequenced>> {
        if after < self.after {
            return None;
        }
        let begin = self.entries.partition_point(|entry| entry.sequence.0 <= after);
        let mut gathered = 0;
        let within = |entry: &&Sequenced| {
            let is_first = gathered == 0;
            gathered += bytes_of(entry);
            is_first || gathered <= max_bytes
        };
        Some(self.entries.range(begin..).take_while(within).cloned().collect())
    }

    /// The log has everything up to `sequence`.
    pub(super) fn release(&mut self, sequence: u64) {
        while self.entries.front().is_some_and(|entry| entry.sequence.0 <= sequence) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.after = oldest.sequence.0;
            self.bytes -= bytes_of(&oldest);
        }
    }
}

fn bytes_of(sequenced: &Sequenced) -> u64 {
    let (request, response) = match &*sequenced.entry {
        Entry::Opened { request, .. } => (request.as_ref(), None),
        Entry::Closed { request, response, .. } => (request.as_ref(), response.as_ref()),
    };
    let bodies = [request, response].into_iter().flatten().map(|body| body.bytes.len());
    ENTRY_BYTES + (sequenced.json.len() + bodies.sum::<usize>()) as u64
}
