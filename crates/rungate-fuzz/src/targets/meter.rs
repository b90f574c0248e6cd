//! The meter. First line: the operation, then the lengths of pieces; then an answer, whole or as a stream.

use bytes::Bytes;
use rungate_core::operation::{Kind, Operation};
use rungate_core::usage::Usage;
use rungate_llm::meter::{EventKind, Meter, NotTheFormat, Report};
use rungate_llm::sse::Splitter;

use crate::input::Input;

/// Every property of the meter for one answer.
pub fn run(data: &[u8]) {
    let input = Input::of(data);
    let operation = Operation::ALL[usize::from(input.choice(0).wrapping_sub(b'A')) % Operation::ALL.len()];
    for content_type in
        [None, Some("application/json"), Some("audio/mpeg"), Some("text/plain; charset=utf-8")]
    {
        let mut meter = Meter::new(operation);
        let read = meter.whole(content_type, input.body);
        assert_eq!(read.is_ok(), meter.report().complete, "whole is whole");
        check(operation, meter.report(), input.body.len());
    }
    let stream = |pieces: &[&[u8]]| {
        let mut meter = Meter::new(operation);
        let kinds = kinds(&mut meter, pieces);
        (kinds, meter.report().clone())
    };
    let whole = stream(&[input.body]);
    assert_eq!(whole, stream(&input.pieces(1)), "the pieces decide what is read");
    check(operation, &whole.1, input.body.len());
    let ended = matches!(whole.0.last(), Some(Ok(EventKind::Terminator)));
    assert!(ended || !whole.1.complete, "complete without its end");
}

/// Reads a stream up to its end, an error of its provider, or what is not of the format: as a relay does.
fn kinds(meter: &mut Meter, pieces: &[&[u8]]) -> Vec<Result<EventKind, NotTheFormat>> {
    let mut splitter = Splitter::new(1 << 20);
    let mut events = Vec::new();
    for piece in pieces {
        splitter.push(&Bytes::copy_from_slice(piece), &mut events).unwrap();
    }
    events.extend(splitter.finish());
    let mut kinds = Vec::new();
    for event in &events {
        kinds.push(meter.event(event));
        if !matches!(kinds.last(), Some(Ok(EventKind::Content | EventKind::UsageOnly))) {
            break;
        }
    }
    kinds
}

fn check(operation: Operation, report: &Report, bytes: usize) {
    assert!(report.preview.chars().count() <= 200, "the preview is too long");
    assert!(report.error.as_ref().is_none_or(|error| error.chars().count() <= 200), "the error is too long");
    // A byte that is no text becomes a replacement character of three.
    assert!(report.output_text_bytes <= 3 * bytes as u64, "more text than was sent");
    let Some(usage) = &report.usage else { return };
    let Usage { input, output, cached_input, cache_write, cache_write_1h, .. } = *usage;
    assert!(cached_input + cache_write + cache_write_1h <= input, "{usage:?}");
    assert!(usage.reasoning + usage.audio_output <= output, "{usage:?}");
    assert!(usage.audio_input <= input, "{usage:?}");
    // What is charged by other units may be known to be nothing.
    let by_token = matches!(operation.kind(), Kind::Chat | Kind::Completion | Kind::Message | Kind::Response);
    assert!(!by_token || *usage != Usage::default(), "nothing was counted, and is said to be known");
}
