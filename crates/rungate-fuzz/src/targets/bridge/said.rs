//! What an answer says, whichever form it has.

use serde_json::Value;

use super::split;

/// What an answer says.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    text: String,
    reasoning: String,
    /// Id, name and arguments of each call, the arguments as values: white space says nothing.
    calls: Vec<(String, String, Value)>,
    finish: Value,
    usage: Value,
}

/// Of a chat completion.
pub fn by_completion(completion: &Value) -> Said {
    let choice = &completion["choices"][0];
    let message = &choice["message"];
    let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
    Said {
        text: text(&message["content"]),
        reasoning: text(&message["reasoning_content"]),
        calls: calls.iter().map(|call| named(call, &text(&call["function"]["arguments"]))).collect(),
        finish: choice["finish_reason"].clone(),
        usage: completion["usage"].clone(),
    }
}

fn named(call: &Value, arguments: &str) -> (String, String, Value) {
    (text(&call["id"]), text(&call["function"]["name"]), json(arguments))
}

/// Of the stream of a chat completion.
pub fn by_chunks(stream: &[u8]) -> Said {
    let mut said = Said::default();
    let mut calls: Vec<(Value, String)> = Vec::new();
    for chunk in data(stream) {
        if !chunk["usage"].is_null() {
            said.usage = chunk["usage"].clone();
        }
        let choice = &chunk["choices"][0];
        let delta = &choice["delta"];
        said.text += &text(&delta["content"]);
        said.reasoning += &text(&delta["reasoning_content"]);
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let at = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if at == calls.len() {
                calls.push((call.clone(), String::new()));
            }
            calls[at].1 += &text(&call["function"]["arguments"]);
        }
        if !choice["finish_reason"].is_null() {
            said.finish = choice["finish_reason"].clone();
        }
    }
    said.calls = calls.iter().map(|(call, arguments)| named(call, arguments)).collect();
    said
}

/// Of a message.
pub fn by_message(message: &Value) -> Said {
    let mut said =
        Said { finish: message["stop_reason"].clone(), usage: message["usage"].clone(), ..Said::default() };
    for block in message["content"].as_array().unwrap() {
        said.text += &text(&block["text"]);
        if block["type"] == "tool_use" {
            said.calls.push((text(&block["id"]), text(&block["name"]), block["input"].clone()));
        }
    }
    said
}

/// Of the stream of a message, whose blocks must follow one another.
pub fn by_message_events(stream: &[u8]) -> Said {
    let mut said = Said::default();
    let mut open: Option<(Value, String)> = None;
    let mut blocks = 0;
    for event in data(stream) {
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert!(open.is_none() && event["index"] == blocks, "blocks must follow one another");
                open = Some((event["content_block"].clone(), String::new()));
            }
            "content_block_delta" => {
                assert!(event["index"] == blocks, "a delta of another block");
                said.text += &text(&event["delta"]["text"]);
                open.as_mut().unwrap().1 += &text(&event["delta"]["partial_json"]);
            }
            "content_block_stop" => {
                let (block, arguments) = open.take().unwrap();
                blocks += 1;
                if block["type"] == "tool_use" {
                    said.calls.push((text(&block["id"]), text(&block["name"]), json(&arguments)));
                }
            }
            "message_delta" => {
                said.finish = event["delta"]["stop_reason"].clone();
                said.usage = event["usage"].clone();
            }
            _ => {}
        }
    }
    assert!(open.is_none(), "a block is left open");
    said
}

fn data(stream: &[u8]) -> Vec<Value> {
    split(&[stream]).iter().filter_map(|event| serde_json::from_slice(&event.data).ok()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Arguments as a value; none are an empty object.
fn json(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned()))
}
