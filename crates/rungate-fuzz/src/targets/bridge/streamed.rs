//! A whole answer as its provider would have streamed it, in pieces of the lengths that the input says.

use rungate_llm::bridge::Bridge;
use rungate_llm::sse::Event;
use serde_json::{Value, json};

use super::split;
use crate::input::{Input, pieces};

/// The stream of an answer. `None` when the answer has what no stream can say.
pub fn stream(bridge: Bridge, answer: &Value, input: &Input<'_>) -> Option<Vec<Event>> {
    let lengths = input.choices.get(2..).unwrap_or_default();
    let events = match bridge {
        Bridge::ChatToMessages => of_message(answer, lengths)?,
        Bridge::MessagesToChat => of_completion(answer, lengths)?,
    };
    let mut stream = Vec::new();
    for event in events {
        stream.extend_from_slice(format!("data: {event}\n\n").as_bytes());
    }
    if bridge == Bridge::MessagesToChat {
        stream.extend_from_slice(b"data: [DONE]\n\n");
    }
    Some(split(&[&stream]))
}

fn of_message(message: &Value, lengths: &[u8]) -> Option<Vec<Value>> {
    message["stop_reason"].as_str()?;
    let mut start = message.clone();
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    let mut events = vec![json!({"type": "message_start", "message": start})];
    for (index, block) in message["content"].as_array()?.iter().enumerate() {
        let mut opening = block.clone();
        let (field, text, delta) = match block["type"].as_str()? {
            "text" => ("text", block["text"].as_str().unwrap_or_default().to_owned(), "text_delta"),
            "thinking" => {
                ("thinking", block["thinking"].as_str().unwrap_or_default().to_owned(), "thinking_delta")
            }
            "tool_use" => {
                let input = block.get("input").filter(|input| !input.is_null());
                ("partial_json", input.map_or_else(String::new, Value::to_string), "input_json_delta")
            }
            _ => continue,
        };
        let start = if field == "partial_json" { json!({}) } else { json!("") };
        opening[if field == "partial_json" { "input" } else { field }] = start;
        events.push(json!({"type": "content_block_start", "index": index, "content_block": opening}));
        for piece in chars(&text, lengths) {
            let delta = json!({"type": delta, field: piece});
            events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let usage = message.get("usage").cloned().unwrap_or_else(|| json!({}));
    let delta = json!({"stop_reason": message["stop_reason"]});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": usage}));
    events.push(json!({"type": "message_stop"}));
    Some(events)
}

fn of_completion(completion: &Value, lengths: &[u8]) -> Option<Vec<Value>> {
    let choice = &completion["choices"][0];
    let finish = choice["finish_reason"].as_str().filter(|reason| !reason.is_empty())?;
    let message = &choice["message"];
    let chunk = |delta: Value, finish: Option<&str>| {
        json!({"id": completion["id"], "model": completion["model"],
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), None)];
    let mut texts = Vec::new();
    for field in ["content", "refusal"] {
        for piece in chars(message[field].as_str().unwrap_or_default(), lengths) {
            texts.push(chunk(json!({field: piece}), None));
        }
    }
    // Some providers speak after their calls.
    let texts_last = lengths.first().is_some_and(|length| length % 2 == 1);
    if !texts_last {
        events.append(&mut texts);
    }
    for (index, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        let is_input = serde_json::from_str(arguments).is_ok_and(|input: Value| input.is_object());
        // A call that was cut off is left out of a whole answer and streamed as far as it came.
        (is_input || arguments.trim().is_empty()).then_some(())?;
        // Without an id a call cannot begin, and the same id twice is one call.
        let id = call["id"].as_str().filter(|id| !id.is_empty())?;
        let function = json!({"name": call["function"]["name"], "arguments": ""});
        let begun = json!({"index": index, "id": id, "function": function});
        events.push(chunk(json!({"tool_calls": [begun]}), None));
        for piece in chars(arguments, lengths) {
            let more = json!({"index": index, "function": {"arguments": piece}});
            events.push(chunk(json!({"tool_calls": [more]}), None));
        }
    }
    events.append(&mut texts);
    events.push(chunk(json!({}), Some(finish)));
    events.push(json!({"id": completion["id"], "choices": [], "usage": completion["usage"]}));
    Some(events)
}

/// A text in pieces, none of which cuts a character.
fn chars(text: &str, lengths: &[u8]) -> Vec<String> {
    let mut held = Vec::new();
    let mut whole = Vec::new();
    for piece in pieces(text.as_bytes(), lengths) {
        held.extend_from_slice(piece);
        if let Ok(text) = std::str::from_utf8(&held) {
            whole.push(text.to_owned());
            held.clear();
        }
    }
    whole
}
