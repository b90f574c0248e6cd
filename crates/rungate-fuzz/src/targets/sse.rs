//! The SSE splitter. First line: `L` for a small limit, then the lengths of pieces; then the stream.

use bytes::Bytes;
use rungate_llm::sse::{Event, Splitter, TooLong};

use crate::input::Input;

const SMALL_LIMIT: usize = 24;
const NO_LIMIT: usize = 1 << 20;

/// Every property of the splitter for one stream.
pub fn run(data: &[u8]) {
    let input = Input::of(data);
    let limit = if input.choice(0) == b'L' { SMALL_LIMIT } else { NO_LIMIT };
    let whole = split(&[input.body], limit);
    assert_eq!(whole, split(&input.pieces(1), limit), "the pieces decide what the events are");
    let (events, unfinished, error) = whole;

    assert!(
        events.iter().chain(&unfinished).all(|event| event.raw.len() <= limit),
        "an event beyond the limit"
    );
    let relayed: Vec<u8> = events.iter().chain(&unfinished).flat_map(|event| event.raw.to_vec()).collect();
    if error.is_some() {
        assert!(limit == SMALL_LIMIT && input.body.starts_with(&relayed));
        return;
    }
    assert_eq!(relayed, input.body, "what is relayed is not what came");
    let read: Vec<_> = events.iter().map(|event| (event.name().to_vec(), event.data.to_vec())).collect();
    // A carriage return at the very end may have ended an event that waits for its line feed.
    let mut expected = blocks(input.body);
    if unfinished.as_ref().is_some_and(|event| event.raw.ends_with(b"\r")) && expected.len() > read.len() {
        let last = expected.pop().unwrap();
        assert_eq!(unfinished.map(|event| (event.name().to_vec(), event.data.to_vec())), Some(last));
    }
    assert_eq!(read, expected, "the events are not those of the standard");
}

type Split = (Vec<Event>, Option<Event>, Option<TooLong>);

fn split(pieces: &[&[u8]], limit: usize) -> Split {
    let mut splitter = Splitter::new(limit);
    let mut events = Vec::new();
    let mut pushed = 0;
    for piece in pieces {
        if let Err(error) = splitter.push(&Bytes::copy_from_slice(piece), &mut events) {
            return (events, None, Some(error));
        }
        pushed += piece.len();
        let given: usize = events.iter().map(|event| event.raw.len()).sum();
        assert_eq!(given + splitter.pending_bytes(), pushed, "bytes are held that are not told");
        assert!(splitter.pending_bytes() <= limit);
    }
    (events, splitter.finish(), None)
}

/// The standard's algorithm, word by word: name and data of each block that a blank line closes.
fn blocks(stream: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rest = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let mut blocks = Vec::new();
    let (mut name, mut data) = (Vec::new(), Vec::new());
    while let Some(end) = rest.iter().position(|byte| b"\r\n".contains(byte)) {
        let line = &rest[..end];
        let ending = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + ending..];
        if line.is_empty() {
            if data.last() == Some(&b'\n') {
                data.pop();
            }
            blocks.push((std::mem::take(&mut name), std::mem::take(&mut data)));
            continue;
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => name = value.to_vec(),
            b"data" => {
                data.extend_from_slice(value);
                data.push(b'\n');
            }
            _ => {}
        }
    }
    blocks
}
