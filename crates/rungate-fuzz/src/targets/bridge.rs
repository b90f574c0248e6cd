//! The translators. First line: `>` from chat to messages or `<` the other way, then `q` for a request, `a` an answer,
//! `s` a stream, `e` an error, then the lengths of pieces; then the bytes.

mod said;
mod streamed;

use bytes::Bytes;
use rungate_core::operation::Operation;
use rungate_llm::bridge::{AnswerContext, BadAnswer, Bridge};
use rungate_llm::meter::{EventKind, Meter};
use rungate_llm::request::scan;
use rungate_llm::sse::{Event, Splitter};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::input::Input;

const MODEL: &str = "the/model";

/// Every property of the translators for one body.
pub fn run(data: &[u8]) {
    let input = Input::of(data);
    let bridge = if input.choice(0) == b'<' { Bridge::MessagesToChat } else { Bridge::ChatToMessages };
    match input.choice(1) {
        b'a' => answer(bridge, &input),
        b's' => stream(bridge, &input),
        b'e' => error(bridge, &input),
        _ => request(bridge, input.body),
    }
}

/// The operations of client and provider.
const fn operations(bridge: Bridge) -> (Operation, Operation) {
    match bridge {
        Bridge::ChatToMessages => (Operation::ChatCompletions, Operation::Messages),
        Bridge::MessagesToChat => (Operation::Messages, Operation::ChatCompletions),
    }
}

fn context() -> AnswerContext {
    AnswerContext { model: MODEL.to_owned(), created: 1, include_usage: true }
}

fn request(bridge: Bridge, body: &[u8]) {
    let translated = bridge.request(body, MODEL, true);
    assert_eq!(translated, bridge.request(body, MODEL, true));
    let Ok(translated) = translated else { return };
    assert!(serde_json::from_slice::<IgnoredAny>(body).is_ok(), "what is no JSON was translated");
    let dropped = &translated.dropped;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
    assert!(dropped.len() <= 25 && dropped.iter().all(|name| name.len() <= 64 && name.bytes().all(is_plain)));

    let (client, provider) = operations(bridge);
    let sent = scan(provider, None, &translated.body).unwrap();
    assert_eq!(sent.model.as_deref(), Some(MODEL));
    if let Ok(asked) = scan(client, None, body) {
        assert_eq!(sent.stream, asked.stream, "a stream was asked for, or not");
        assert_eq!(sent.choices, 1);
        assert!(!sent.stream || provider == Operation::Messages || sent.include_usage);
    }
    // Deeper trees and larger numbers than a tree takes go through as they are.
    let Ok(tree) = serde_json::from_slice::<Value>(&translated.body) else { return };
    let roles: &[&str] = match bridge {
        Bridge::ChatToMessages => &["user", "assistant"],
        Bridge::MessagesToChat => &["system", "user", "assistant", "tool"],
    };
    for message in tree["messages"].as_array().unwrap() {
        assert!(message["role"].as_str().is_some_and(|role| roles.contains(&role)), "{message}");
        let content = &message["content"];
        let calls = message["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty());
        assert!(content.is_string() || content.is_array() || calls || content.is_null(), "{message}");
    }
    if bridge == Bridge::ChatToMessages {
        assert!(tree["max_tokens"].is_u64());
    }
}

fn answer(bridge: Bridge, input: &Input<'_>) {
    let translated = bridge.answer(input.body, &context());
    assert_eq!(translated, bridge.answer(input.body, &context()));
    let Ok(translated) = translated else { return };
    let (client, provider) = operations(bridge);
    let mut meter = Meter::new(client);
    meter.whole(None, &translated).unwrap();
    let mut told = Meter::new(provider);
    told.whole(None, input.body).unwrap();

    let Ok(original) = serde_json::from_slice::<Value>(input.body) else { return };
    let Ok(whole) = serde_json::from_slice::<Value>(&translated) else { return };
    // A tree that is printed and read again may come back with another last digit: what is streamed would differ.
    if !serde_json::from_str(&original.to_string()).is_ok_and(|again: Value| again == original) {
        return;
    }
    let Some(events) = streamed::stream(bridge, &original, input) else { return };
    let (out, result) = translate(bridge, &events);
    assert_eq!(result, Ok(()), "an answer that is translated whole is refused as a stream");
    let (whole, streamed) = match bridge {
        Bridge::ChatToMessages => (said::by_completion(&whole), said::by_chunks(&out)),
        Bridge::MessagesToChat => (said::by_message(&whole), said::by_message_events(&out)),
    };
    assert_eq!(whole, streamed, "whole and stream say something else");
}

fn stream(bridge: Bridge, input: &Input<'_>) {
    let events = split(&[input.body]);
    let (out, result) = translate(bridge, &events);
    assert_eq!(
        (&out, &result),
        (&translate(bridge, &split(&input.pieces(2))).0, &result),
        "the pieces decide"
    );
    let (client, provider) = operations(bridge);
    let mut meter = Meter::new(client);
    let mut ended = false;
    for event in split(&[&out]) {
        assert!(!event.data.is_empty() && event.raw.ends_with(b"\n\n"), "half an event");
        if event.data.as_ref() != b"[DONE]" {
            serde_json::from_slice::<IgnoredAny>(&event.data).unwrap();
        }
        if !ended {
            ended = meter.event(&event).unwrap() == EventKind::Terminator;
        }
    }
    let mut told = Meter::new(provider);
    let is_end = |event: &Event| told.event(event) == Ok(EventKind::Terminator);
    let told_end = events.iter().any(is_end);
    if result.is_ok() && ended && told_end {
        assert!(meter.report().complete, "an end that is none");
    }
    if ended && bridge == Bridge::MessagesToChat {
        // It sees to it that blocks follow one another and are closed.
        said::by_message_events(&out);
    }
    if ended {
        assert!(told_end || result.is_err(), "an end that the provider did not send");
    }
}

fn error(bridge: Bridge, input: &Input<'_>) {
    for status in [400, 429, 500, 529] {
        let Some(error) = bridge.error(status, input.body) else { continue };
        let Ok(tree) = serde_json::from_slice::<Value>(&error) else { continue };
        assert!(tree["error"]["message"].is_string() && tree["error"]["type"].is_string(), "{tree}");
    }
}

fn split(pieces: &[&[u8]]) -> Vec<Event> {
    let mut splitter = Splitter::new(1 << 20);
    let mut events = Vec::new();
    for piece in pieces {
        splitter.push(&Bytes::copy_from_slice(piece), &mut events).unwrap();
    }
    events.extend(splitter.finish());
    events
}

/// Translates up to the first error, as a relay does.
fn translate(bridge: Bridge, events: &[Event]) -> (Vec<u8>, Result<(), BadAnswer>) {
    let mut translator = bridge.stream(context());
    let mut out = Vec::new();
    for event in events {
        let before = out.len();
        if let Err(error) = translator.event(event, &mut out) {
            out.truncate(before);
            return (out, Err(error));
        }
    }
    (out, Ok(()))
}
