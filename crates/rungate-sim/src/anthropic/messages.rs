//! `POST /v1/messages`.

use serde_json::{Value, json};

use crate::call::{Answer, Call, Usage, unknown_field};
use crate::event::{Event, HOLE, Template, quoted};
use crate::refusal::Refusal;
use crate::reply::{Choice, Prompt, Reply, Tool};
use crate::text;

/// A message, or its stream of events.
pub(crate) fn answer(call: &Call<'_>) -> Result<Answer, Refusal> {
    let prompt = prompt(call)?;
    let reply = prompt.reply(call.directives);
    let usage = call.usage(prompt.bytes, reply.tokens());
    if call.is_true("stream") {
        return Ok(Answer::Events(events(call, &reply, usage)));
    }
    let mut message = message(call, &json!([block(call, &reply)]), Some(stop_reason(&reply)));
    call.put_usage(&mut message, message_usage(usage, usage.output));
    Ok(Answer::Json(message))
}

/// The event that reports a failure in the middle of a stream.
pub(crate) fn error_event() -> Event {
    Event::named(
        "error",
        &json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    )
}

fn prompt<'a>(call: &'a Call<'_>) -> Result<Prompt<'a>, Refusal> {
    let messages = super::messages(call)?;
    let max_tokens = call.number("max_tokens").filter(|max_tokens| *max_tokens > 0);
    let max_tokens =
        max_tokens.ok_or_else(|| Refusal::invalid("max_tokens", "max_tokens: Field required"))?;
    let last = messages.last().unwrap_or(&Value::Null);
    let results: Vec<&Value> = last
        .get("content")
        .and_then(Value::as_array)
        .map(|blocks| blocks.iter().filter(|block| block["type"] == "tool_result").collect())
        .unwrap_or_default();
    let tools = call.field("tools").as_array().map(Vec::as_slice).unwrap_or_default();
    let choice = call.field("tool_choice");
    Ok(Prompt {
        tools: tools
            .iter()
            .filter_map(|tool| {
                Some(Tool { name: tool.get("name")?.as_str()?, schema: tool.get("input_schema")? })
            })
            .collect(),
        choice: match choice.get("type").and_then(Value::as_str) {
            Some("none") => Choice::None,
            Some("tool") => choice.get("name").and_then(Value::as_str).map_or(Choice::Auto, Choice::Named),
            _ => Choice::Auto,
        },
        tool_result: (!results.is_empty()).then(|| results.into_iter().map(text::text_in).collect()),
        is_from_user: last["role"] == "user",
        max_tokens: Some(max_tokens),
        bytes: super::prompt_bytes(call, messages),
        ..Prompt::default()
    })
}

fn message(call: &Call<'_>, content: &Value, stop_reason: Option<&str>) -> Value {
    json!({
        "id": call.sim.id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "x_sim": unknown_field(),
    })
}

fn block(call: &Call<'_>, reply: &Reply) -> Value {
    match reply {
        Reply::Text { text, .. } => json!({"type": "text", "text": text, "citations": null}),
        Reply::Tool { name, arguments } => {
            let input: Value = serde_json::from_str(arguments).unwrap_or_default();
            json!({"type": "tool_use", "id": call.sim.id("toolu_"), "name": name, "input": input})
        }
    }
}

const fn stop_reason(reply: &Reply) -> &'static str {
    match reply {
        Reply::Text { is_limited: false, .. } => "end_turn",
        Reply::Text { is_limited: true, .. } => "max_tokens",
        Reply::Tool { .. } => "tool_use",
    }
}

/// Usage as messages report it: cached tokens are apart from `input_tokens`.
fn message_usage(usage: Usage, output: u64) -> Value {
    json!({
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    })
}

fn events(call: &Call<'_>, reply: &Reply, usage: Usage) -> Vec<Event> {
    let mut message = message(call, &json!([]), None);
    call.put_usage(&mut message, message_usage(usage, usage.output.min(1)));
    let (opening, delta, said) = match reply {
        Reply::Text { text, .. } => {
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": HOLE}), text)
        }
        Reply::Tool { name, arguments } => (
            json!({"type": "tool_use", "id": call.sim.id("toolu_"), "name": name, "input": {}}),
            json!({"type": "input_json_delta", "partial_json": HOLE}),
            arguments,
        ),
    };
    let mut events = vec![
        typed(&json!({"type": "message_start", "message": message})),
        typed(&json!({"type": "content_block_start", "index": 0, "content_block": opening})),
        typed(&json!({"type": "ping"})),
    ];
    let template = Template::new(&typed(&json!({"type": "content_block_delta", "index": 0, "delta": delta})));
    events.extend(call.pieces(said).map(|piece| template.fill([quoted(piece).as_str()])));
    events.push(typed(&json!({"type": "content_block_stop", "index": 0})));
    let mut delta = json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(reply), "stop_sequence": null},
    });
    call.put_usage(&mut delta, message_usage(usage, usage.output));
    events.push(typed(&delta).finish());
    events.push(typed(&json!({"type": "message_stop"})));
    events
}

/// An event named after the `type` of its data.
fn typed(data: &Value) -> Event {
    Event::named(data["type"].as_str().unwrap_or_default(), data)
}
