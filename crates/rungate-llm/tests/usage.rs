//! How each provider's counts nest: usage as providers reported or document it, what we make of it, and what that costs to
//! the nano-dollar, as the end of a whole answer and of a stream.
//!
//! `recorded/usage.json` names for each where the shape was seen, and whether it was `recorded` from a provider's answer or
//! only `documented`: by the provider, or by a test that someone wrote by hand.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::collections::BTreeSet;

use bytes::Bytes;
use rungate_core::money::NanoUsd;
use rungate_core::operation::Operation;
use rungate_core::usage::Usage;
use rungate_llm::catalog::{Price, cost};
use rungate_llm::meter::Meter;
use rungate_llm::providers;
use rungate_llm::sse::Splitter;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Recorded {
    provider: String,
    operation: Operation,
    /// What is particular about the shape.
    says: String,
    source: String,
    evidence: Evidence,
    /// Missing where the source does not name it.
    #[serde(default)]
    #[expect(dead_code, reason = "for whoever reads the file")]
    model: Option<String>,
    usage: Value,
    /// What the start of the stream said, where it is not the same: Anthropic's.
    #[serde(default)]
    start: Option<Value>,
    prices: Price,
    expected: Usage,
    cost_nano_usd: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Evidence {
    Recorded,
    Documented,
}

fn recorded() -> Vec<Recorded> {
    serde_json::from_str(include_str!("recorded/usage.json")).unwrap()
}

/// A whole answer that ends in this usage.
fn whole(recorded: &Recorded) -> Value {
    let usage = &recorded.usage;
    match recorded.operation {
        Operation::Messages => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "Hi"}], "usage": usage,
        }),
        Operation::Responses => json!({
            "id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [], "usage": usage,
        }),
        _ => json!({
            "id": "c", "object": "chat.completion", "model": "m", "usage": usage,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        }),
    }
}

/// The same as a stream: Anthropic tells the input at the start and all at the end, but the kinds of cache writes at the
/// start only; the others tell all at the end.
fn stream(recorded: &Recorded) -> String {
    let usage = &recorded.usage;
    let named = |events: &[Value]| {
        let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
        events.iter().map(event).collect::<String>()
    };
    match recorded.operation {
        Operation::Messages => {
            let mut start = recorded.start.clone().unwrap_or_else(|| usage.clone());
            start["output_tokens"] = json!(1);
            let mut end = usage.clone();
            end.as_object_mut().unwrap().remove("cache_creation");
            let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": start});
            named(&[
                json!({"type": "message_start", "message": message}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": end}),
                json!({"type": "message_stop"}),
            ])
        }
        Operation::Responses => named(&[
            json!({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "usage": null}}),
            json!({"type": "response.completed", "response": whole(recorded)}),
        ]),
        _ => {
            let chunk = |choices: Value, usage: &Value| {
                let chunk = json!({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": choices, "usage": usage});
                format!("data: {chunk}\n\n")
            };
            let first = json!([{"index": 0, "delta": {"content": "Hi"}, "finish_reason": null}]);
            let last = json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
            [
                chunk(first, &Value::Null),
                chunk(last, &Value::Null),
                chunk(json!([]), usage),
                "data: [DONE]\n\n".to_owned(),
            ]
            .concat()
        }
    }
}

fn read_whole(recorded: &Recorded) -> Option<Usage> {
    let mut meter = Meter::new(recorded.operation);
    meter.whole(Some("application/json"), whole(recorded).to_string().as_bytes()).unwrap();
    meter.report().usage
}

fn read_stream(recorded: &Recorded) -> Option<Usage> {
    let mut meter = Meter::new(recorded.operation);
    let mut splitter = Splitter::new(1 << 20);
    let mut events = Vec::new();
    splitter.push(&Bytes::from(stream(recorded)), &mut events).unwrap();
    events.extend(splitter.finish());
    for event in &events {
        meter.event(event).unwrap();
    }
    assert!(meter.report().complete, "{}: {}", recorded.provider, recorded.says);
    meter.report().usage
}

#[test]
fn usage_of_every_shape_is_read_and_priced_alike_whole_and_streamed() {
    for recorded in recorded() {
        let name = format!("{}: {} ({})", recorded.provider, recorded.says, recorded.source);
        assert_eq!(read_whole(&recorded), Some(recorded.expected), "whole, {name}");
        assert_eq!(read_stream(&recorded), Some(recorded.expected), "stream, {name}");
        let cost = cost(&recorded.prices, &recorded.expected).map(NanoUsd::nanos);
        assert_eq!(cost, Some(recorded.cost_nano_usd), "{name}");
    }
}

#[test]
fn every_provider_that_asks_a_price_has_a_recorded_shape() {
    let recorded = recorded();
    let seen: BTreeSet<&str> = recorded.iter().map(|recorded| recorded.provider.as_str()).collect();
    for provider in providers::ALL.iter().filter(|provider| !provider.any_model) {
        assert!(seen.contains(provider.id), "{}", provider.id);
    }
    assert!(seen.iter().all(|id| providers::find(id).is_some()));
    // Nobody published an answer of these two with all its usage that could be found; they count as OpenAI does.
    let recorded: BTreeSet<&str> = recorded
        .iter()
        .filter(|shape| shape.evidence == Evidence::Recorded)
        .map(|shape| shape.provider.as_str())
        .collect();
    assert_eq!(seen.difference(&recorded).copied().collect::<Vec<_>>(), ["fireworks", "together"]);
}

/// A request is priced by what it used and when it came in, so the same row gives the same cost again.
#[test]
fn a_row_is_reproducible_from_its_snapshot_its_usage_and_its_moment() {
    use rungate_core::time::Timestamp;
    use rungate_llm::catalog::Catalogue;
    let moments =
        ["2024-01-01T00:00:00Z", "2026-08-20T23:59:59Z", "2026-08-21T00:00:00Z", "2030-01-01T00:00:00Z"];
    let first = Catalogue::embedded().unwrap();
    let again = Catalogue::parse(&first.to_text()).unwrap();
    assert_eq!(first.snapshot_id(), again.snapshot_id());
    let usage = Usage { input: 1_234, output: 567, cached_input: 89, ..Usage::default() };
    for (model, same) in first.models().iter().zip(again.models()) {
        for moment in moments.map(|moment| Timestamp::parse(moment).unwrap()) {
            let of = |price: Option<&Price>| price.map(|price| cost(price, &usage));
            assert_eq!(
                of(model.price_at(moment)),
                of(same.price_at(moment)),
                "{}/{}",
                model.provider,
                model.id
            );
        }
    }
}
