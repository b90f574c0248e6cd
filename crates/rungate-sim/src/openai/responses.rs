//! `POST /v1/responses` and the routes of stored responses.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use crate::call::{Answer, CREATED, Call, Usage, unknown_field};
use crate::event::{Event, HOLE, Template, quoted};
use crate::refusal::Refusal;
use crate::reply::{Choice, Format, Prompt, Reply, Tool};
use crate::store::Stored;
use crate::text;

/// A response, or its stream of events; kept for later unless `store` is false.
pub(crate) fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    if let Some(previous) = call.field("previous_response_id").as_str()
        && call.sim.store.get(previous).is_none()
    {
        let message = format!("Previous response with id '{previous}' not found.");
        return Err(
            Refusal::invalid("previous_response_id", message).with_code("previous_response_not_found")
        );
    }
    let prompt = prompt(call)?;
    let reply = prompt.reply(call.directives);
    let usage = call.usage(prompt.bytes, reply.tokens());
    let item = item(call, &reply);
    let response = finished(call, &reply, &item, usage);
    let is_background = call.is_true("background");
    if call.field("store") != &Value::Bool(false) {
        keep(call, &response, is_background, &prompt, &reply);
    }
    if call.is_true("stream") {
        return Ok(Answer::Events(events(call, &response)));
    }
    Ok(Answer::Json(if is_background { unfinished(&response, "queued") } else { response }))
}

/// A stored response, or its stream from the event after `starting_after`.
pub(crate) fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let stored = require(call)?;
    if call.query("stream") != Some("true") {
        return Ok(Answer::Json(stored.response.clone()));
    }
    let seen = call.query("starting_after").and_then(|number| number.parse::<usize>().ok());
    let mut events = events(call, &stored.response);
    events.drain(..seen.map_or(0, |seen| seen.saturating_add(1)).min(events.len()));
    Ok(Answer::Events(events))
}

/// Forgets a stored response.
pub(crate) fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.sim.store.remove(call.id).ok_or_else(|| not_found(call.id))?;
    Ok(Answer::Json(json!({"id": call.id, "object": "response", "deleted": true})))
}

/// Cancels a response that was made in the background.
pub(crate) fn cancel(call: &Call<'_>) -> Result<Answer, Refusal> {
    let stored = require(call)?;
    if !stored.is_background {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "Cannot cancel a synchronous response."));
    }
    let response = unfinished(&stored.response, "cancelled");
    call.sim.store.put(Stored {
        id: stored.id.clone(),
        response: response.clone(),
        input: stored.input.clone(),
        is_background: true,
        bytes: stored.bytes,
    });
    Ok(Answer::Json(response))
}

/// The items that a stored response answers.
pub(crate) fn input_items(call: &Call<'_>) -> Result<Answer, Refusal> {
    let stored = require(call)?;
    let items = stored.input.as_array().map(Vec::as_slice).unwrap_or_default();
    let id = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    Ok(Answer::Json(json!({
        "object": "list",
        "data": items,
        "first_id": id(items.first()),
        "last_id": id(items.last()),
        "has_more": false,
    })))
}

/// The event that reports a failure after `sent` events of a stream.
pub(crate) fn error_event(sent: usize) -> Event {
    let message = "The server had an error while processing your request.";
    let code = "server_error";
    let data =
        json!({"type": "error", "code": code, "message": message, "param": null, "sequence_number": sent});
    Event::named("error", &data)
}

fn require(call: &Call<'_>) -> Result<Arc<Stored>, Refusal> {
    call.sim.store.get(call.id).ok_or_else(|| not_found(call.id))
}

fn not_found(id: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("Response with id '{id}' not found."))
}

fn prompt<'a>(call: &'a Call<'_>) -> Result<Prompt<'a>, Refusal> {
    let input = call.field("input");
    if input.is_null() && call.field("previous_response_id").is_null() {
        return Err(Refusal::invalid("input", "Missing required parameter: 'input'."));
    }
    let last = input.as_array().and_then(|items| items.last()).unwrap_or(&Value::Null);
    let is_from_user = input.is_string() || last["role"] == "user";
    let tools = call.field("tools").as_array().map(Vec::as_slice).unwrap_or_default();
    let choice = call.field("tool_choice");
    let format = call.field("text").get("format").unwrap_or(&Value::Null);
    Ok(Prompt {
        tools: tools
            .iter()
            .filter(|tool| tool["type"] == "function")
            .filter_map(|tool| {
                let name = tool.get("name")?.as_str()?;
                Some(Tool { name, schema: tool.get("parameters").unwrap_or(&Value::Null) })
            })
            .collect(),
        choice: match choice.as_str() {
            Some("none") => Choice::None,
            _ => choice.get("name").and_then(Value::as_str).map_or(Choice::Auto, Choice::Named),
        },
        tool_result: (last["type"] == "function_call_output").then(|| text::text_in(last)),
        is_from_user,
        format: match format.get("type").and_then(Value::as_str) {
            Some("json_object") => Format::Json,
            Some("json_schema") => Format::Schema(format.get("schema").unwrap_or(&Value::Null)),
            _ => Format::Text,
        },
        max_tokens: call.number("max_output_tokens"),
        bytes: text::bytes_in(call.field("instructions")) + text::bytes_in(input),
    })
}

fn item(call: &Call<'_>, reply: &Reply) -> Value {
    match reply {
        Reply::Text { text, is_limited } => json!({
            "type": "message",
            "id": call.sim.id("msg_"),
            "status": if *is_limited { "incomplete" } else { "completed" },
            "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
        }),
        Reply::Tool { name, arguments } => json!({
            "type": "function_call",
            "id": call.sim.id("fc_"),
            "call_id": call.sim.id("call_"),
            "status": "completed",
            "name": name,
            "arguments": arguments,
        }),
    }
}

fn finished(call: &Call<'_>, reply: &Reply, item: &Value, usage: Usage) -> Value {
    let is_limited = matches!(reply, Reply::Text { is_limited: true, .. });
    let echoed = |name: &str, default: Value| match call.field(name) {
        Value::Null => default,
        value => value.clone(),
    };
    let mut response = json!({
        "id": call.sim.id("resp_"),
        "object": "response",
        "created_at": CREATED,
        "status": if is_limited { "incomplete" } else { "completed" },
        "background": call.is_true("background"),
        "error": null,
        "incomplete_details": is_limited.then(|| json!({"reason": "max_output_tokens"})),
        "instructions": call.field("instructions"),
        "max_output_tokens": call.field("max_output_tokens"),
        "metadata": echoed("metadata", json!({})),
        "model": call.model,
        "output": [item],
        "parallel_tool_calls": echoed("parallel_tool_calls", true.into()),
        "previous_response_id": call.field("previous_response_id"),
        "reasoning": echoed("reasoning", json!({"effort": null, "summary": null})),
        "service_tier": "default",
        "store": echoed("store", true.into()),
        "temperature": echoed("temperature", json!(1.0)),
        "text": echoed("text", json!({"format": {"type": "text"}})),
        "tool_choice": echoed("tool_choice", "auto".into()),
        "tools": echoed("tools", json!([])),
        "top_p": echoed("top_p", json!(1.0)),
        "truncation": echoed("truncation", "disabled".into()),
        "usage": null,
        "x_sim": unknown_field(),
    });
    let usage = json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total(),
    });
    call.put_usage(&mut response, usage);
    response
}

/// The response as it stood before it was done.
fn unfinished(response: &Value, status: &str) -> Value {
    let mut response = response.clone();
    response["status"] = status.into();
    response["output"] = json!([]);
    response["usage"] = Value::Null;
    response["incomplete_details"] = Value::Null;
    response
}

fn keep(call: &Call<'_>, response: &Value, is_background: bool, prompt: &Prompt<'_>, reply: &Reply) {
    let input = match call.field("input") {
        Value::String(text) => json!([{
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": text}],
        }]),
        input => input.clone(),
    };
    let with_id = |mut item: Value| {
        if item.is_object() && item.get("id").is_none() {
            item["id"] = call.sim.id("msg_").into();
        }
        item
    };
    let input: Value = match input {
        Value::Array(items) => items.into_iter().map(with_id).collect(),
        _ => json!([]),
    };
    call.sim.store.put(Stored {
        id: response["id"].as_str().unwrap_or_default().into(),
        response: response.clone(),
        input,
        is_background,
        bytes: call.body_bytes + prompt.bytes + usize::try_from(reply.tokens() * 4).unwrap_or(usize::MAX / 2),
    });
}

/// The events by which `response` comes into being, numbered from 0.
fn events(call: &Call<'_>, response: &Value) -> Vec<Event> {
    let mut log = Log { events: Vec::new() };
    let started = unfinished(response, "in_progress");
    log.add("response.created", json!({"response": started}));
    log.add("response.in_progress", json!({"response": started}));
    match response.pointer("/output/0") {
        Some(item) if item["type"] == "message" => log.add_message(call, item),
        Some(item) => log.add_function_call(call, item),
        None => {}
    }
    let name = match response["status"].as_str() {
        Some("incomplete") => "response.incomplete",
        // No event tells of it: the stream just ends.
        Some("cancelled") => return log.events,
        _ => "response.completed",
    };
    log.add(name, json!({"response": response}));
    let last = log.events.pop().map(Event::finish);
    log.events.extend(last);
    log.events
}

struct Log {
    events: Vec<Event>,
}

impl Log {
    fn add(&mut self, name: &str, mut data: Value) {
        data["type"] = name.into();
        data["sequence_number"] = self.events.len().into();
        self.events.push(Event::named(name, &data));
    }

    /// The pieces of `text` as events of this name; `place` says where they belong.
    fn add_deltas(&mut self, call: &Call<'_>, name: &str, place: &Value, text: &str) {
        let mut data = place.clone();
        data["type"] = name.into();
        data["delta"] = HOLE.into();
        data["sequence_number"] = HOLE.into();
        let template = Template::new(&Event::named(name, &data));
        for piece in call.pieces(text) {
            let number = self.events.len().to_string();
            self.events.push(template.fill([quoted(piece).as_str(), number.as_str()]));
        }
    }

    fn add_message(&mut self, call: &Call<'_>, item: &Value) {
        let part = &item["content"][0];
        let text = part["text"].as_str().unwrap_or_default();
        let mut opening = item.clone();
        opening["status"] = "in_progress".into();
        opening["content"] = json!([]);
        self.add("response.output_item.added", json!({"output_index": 0, "item": opening}));
        let place = json!({"item_id": item["id"], "output_index": 0, "content_index": 0});
        let with = |fields: &[(&str, Value)]| {
            let mut data = place.clone();
            for (name, value) in fields {
                data[*name] = value.clone();
            }
            data
        };
        let empty = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
        self.add("response.content_part.added", with(&[("part", empty)]));
        self.add_deltas(call, "response.output_text.delta", &with(&[("logprobs", json!([]))]), text);
        self.add("response.output_text.done", with(&[("text", text.into()), ("logprobs", json!([]))]));
        self.add("response.content_part.done", with(&[("part", part.clone())]));
        self.add("response.output_item.done", json!({"output_index": 0, "item": item}));
    }

    fn add_function_call(&mut self, call: &Call<'_>, item: &Value) {
        let arguments = item["arguments"].as_str().unwrap_or_default();
        let mut opening = item.clone();
        opening["status"] = "in_progress".into();
        opening["arguments"] = "".into();
        self.add("response.output_item.added", json!({"output_index": 0, "item": opening}));
        let place = json!({"item_id": item["id"], "output_index": 0});
        self.add_deltas(call, "response.function_call_arguments.delta", &place, arguments);
        let mut done = place;
        done["name"] = item["name"].clone();
        done["arguments"] = arguments.into();
        self.add("response.function_call_arguments.done", done);
        self.add("response.output_item.done", json!({"output_index": 0, "item": item}));
    }
}
