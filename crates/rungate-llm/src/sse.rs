//! Splits a stream of server-sent events, whatever pieces the bytes come in.
//!
//! Line ends, fields and comments follow the event-stream format of the HTML standard. Beyond it, every byte belongs to
//! exactly one event, so that relaying the events relays the stream: a block of comments (a keep-alive) is an event
//! without name and data, and so is a blank line that closes nothing.

use std::ops::Range;

use bytes::Bytes;

/// A byte order mark: skipped at the start of a stream, and nowhere else.
const BOM: &[u8; 3] = b"\xEF\xBB\xBF";

/// One event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Every byte of the event, its closing blank line included: what is relayed.
    pub raw: Bytes,
    /// Where in `raw` the event's name stands, if it has one.
    pub name: Option<Range<usize>>,
    /// The event's data: its `data:` lines joined by a line feed.
    pub data: Bytes,
}

impl Event {
    /// The event's name; empty when it has none.
    pub fn name(&self) -> &[u8] {
        self.name.clone().map_or(&[], |range| &self.raw[range])
    }

    /// Reads the fields of one block. Data on one line is a slice of `raw`; only several lines are copied together.
    fn parse(raw: Bytes, opens_stream: bool) -> Self {
        let mut name = None;
        let mut only_line: Option<Range<usize>> = None;
        let mut joined: Option<Vec<u8>> = None;
        let mut at = if opens_stream && raw.starts_with(BOM) { BOM.len() } else { 0 };
        while at < raw.len() {
            let end = memchr::memchr2(b'\n', b'\r', &raw[at..]).map_or(raw.len(), |length| at + length);
            let (field, value) = split_line(&raw, at..end);
            match &raw[field] {
                b"event" => name = Some(value),
                b"data" => match (&only_line, &mut joined) {
                    (_, Some(joined)) => {
                        joined.push(b'\n');
                        joined.extend_from_slice(&raw[value]);
                    }
                    (Some(first), None) => {
                        let mut lines = Vec::with_capacity(raw.len() - first.start);
                        lines.extend_from_slice(&raw[first.clone()]);
                        lines.push(b'\n');
                        lines.extend_from_slice(&raw[value]);
                        joined = Some(lines);
                    }
                    (None, None) => only_line = Some(value),
                },
                _ => {}
            }
            let closed_by_crlf = raw[end..].starts_with(b"\r\n");
            at = end + if closed_by_crlf { 2 } else { 1 };
        }
        let data = match (joined, only_line) {
            (Some(joined), _) => joined.into(),
            (None, Some(line)) => raw.slice(line),
            (None, None) => Bytes::new(),
        };
        Self { raw, name, data }
    }
}

/// Where the field's name and its value stand in a line. A comment is a line whose field has an empty name.
fn split_line(raw: &[u8], line: Range<usize>) -> (Range<usize>, Range<usize>) {
    let Some(length) = memchr::memchr(b':', &raw[line.clone()]) else {
        return (line.clone(), line.end..line.end);
    };
    let colon = line.start + length;
    let space = usize::from(raw[colon + 1..line.end].starts_with(b" "));
    (line.start..colon, colon + 1 + space..line.end)
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
    place: Place,
    opens_stream: bool,
}

/// Where in a line the next byte stands: all that must be known of the bytes before it, so that none is looked at twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the stream's first bytes, of which so many were those of a byte order mark.
    BomBytes(usize),
    /// At the start of a line.
    LineStart,
    /// Inside a line.
    Line,
    /// Behind a carriage return that ended a line; a line feed here belongs to it.
    LineCr,
    /// Behind a carriage return that ended a blank line, and with it the event; a line feed here belongs to it.
    BlankCr,
}

impl Place {
    /// Reads on through `bytes` to the end of the event. `None` when all were read and the event is not over.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let next = *bytes.get(at)?;
            match *self {
                Self::BomBytes(seen) if next == BOM[seen] => {
                    at += 1;
                    *self = if seen + 1 == BOM.len() { Self::LineStart } else { Self::BomBytes(seen + 1) };
                }
                Self::BomBytes(0) => *self = Self::LineStart,
                Self::LineStart if next == b'\n' => return Some(at + 1),
                Self::LineStart if next == b'\r' => {
                    at += 1;
                    *self = Self::BlankCr;
                }
                Self::LineStart | Self::BomBytes(_) => *self = Self::Line,
                Self::Line => {
                    at += memchr::memchr2(b'\n', b'\r', &bytes[at..])? + 1;
                    *self = if bytes[at - 1] == b'\n' { Self::LineStart } else { Self::LineCr };
                }
                Self::LineCr => {
                    at += usize::from(next == b'\n');
                    *self = Self::LineStart;
                }
                Self::BlankCr => {
                    *self = Self::LineStart;
                    return Some(at + usize::from(next == b'\n'));
                }
            }
        }
    }
}

impl Splitter {
    /// A splitter that refuses events longer than `max_event_bytes`.
    pub const fn new(max_event_bytes: usize) -> Self {
        Self { max_event_bytes, pending: Vec::new(), place: Place::BomBytes(0), opens_stream: true }
    }

    /// Takes the next bytes and appends every event they complete to `events`. Events that lie within `bytes` share its
    /// memory.
    ///
    /// An event whose blank line ends in a lone carriage return is complete when the next byte comes, since that may be
    /// the line feed that belongs to it.
    ///
    /// # Errors
    /// `TooLong` as soon as an event exceeds the limit; the events before it have been appended. The stream cannot be
    /// read on from there.
    pub fn push(&mut self, bytes: &Bytes, events: &mut Vec<Event>) -> Result<(), TooLong> {
        let mut rest = bytes.clone();
        while let Some(end) = self.place.find_end(&rest) {
            self.check_length(end)?;
            let piece = rest.split_to(end);
            let raw = if self.pending.is_empty() {
                piece
            } else {
                self.pending.extend_from_slice(&piece);
                Bytes::from(std::mem::take(&mut self.pending))
            };
            events.push(Event::parse(raw, self.opens_stream));
            self.opens_stream = false;
        }
        self.check_length(rest.len())?;
        self.pending.extend_from_slice(&rest);
        Ok(())
    }

    /// Ends the stream: gives what is left, an event that the stream did not close with a blank line.
    pub fn finish(&mut self) -> Option<Event> {
        if self.pending.is_empty() {
            return None;
        }
        self.place = Place::LineStart;
        let raw = Bytes::from(std::mem::take(&mut self.pending));
        Some(Event::parse(raw, std::mem::take(&mut self.opens_stream)))
    }

    /// Bytes of the unfinished event.
    pub const fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    fn check_length(&self, more: usize) -> Result<(), TooLong> {
        if self.pending.len() + more > self.max_event_bytes {
            return Err(TooLong(self.max_event_bytes));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
