//! Splits a stream of server-sent events, whatever pieces the bytes come in.

use std::ops::Range;

/// One event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Every byte of the event, its closing blank line included: what is relayed.
    pub raw: bytes::Bytes,
    /// Where in `raw` the event's name stands, if it has one.
    pub name: Option<Range<usize>>,
    /// The event's data: its `data:` lines joined by a line feed.
    pub data: bytes::Bytes,
}

impl Event {
    /// The event's name; empty when it has none.
    pub fn name(&self) -> &[u8] {
        self.name.clone().map_or(&[], |range| &self.raw[range])
    }
}

/// An event that grows without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {0} bytes")]
pub struct TooLong(pub usize);

/// Splits bytes into events. Holds at most one unfinished event.
#[derive(Debug)]
pub struct Splitter {
    max_event_bytes: usize,
    pending: Vec<u8>,
}

impl Splitter {
    /// A splitter that refuses events longer than `max_event_bytes`.
    pub const fn new(max_event_bytes: usize) -> Self {
        Self { max_event_bytes, pending: Vec::new() }
    }

    /// Takes the next bytes and appends every event they complete to `events`.
    pub fn push(&mut self, bytes: &bytes::Bytes, events: &mut Vec<Event>) -> Result<(), TooLong> {
        let _ = (bytes, events);
        Err(TooLong(self.max_event_bytes))
    }

    /// Ends the stream: gives what is left, an event that the stream did not close with a blank line.
    pub fn finish(&mut self) -> Option<Event> {
        None
    }

    /// Bytes of the unfinished event.
    pub const fn pending_bytes(&self) -> usize {
        self.pending.len()
    }
}
