//! `POST /v1/chat/completions`.

use serde_json::{Value, json};

use super::completion_usage;
use crate::call::{Answer, CREATED, Call, Usage, unknown_field};
use crate::event::{Event, HOLE, Template, quoted};
use crate::refusal::Refusal;
use crate::reply::{Choice, Format, Prompt, Reply, Tool};
use crate::text;

/// A completion, or its stream of chunks.
pub(crate) fn answer(call: &Call<'_>) -> Result<Answer, Refusal> {
    let prompt = prompt(call)?;
    let reply = prompt.reply(call.directives);
    let said = match &reply {
        Reply::Text { text, .. } => text.len(),
        Reply::Tool { arguments, .. } => arguments.len(),
    };
    let choices = call.choices(said)?;
    let usage = call.usage(prompt.bytes, reply.tokens() * choices as u64);
    let id = call.sim.id("chatcmpl-");
    if call.is_true("stream") {
        return Ok(Answer::Events(Stream { call, id: &id }.events(&reply, choices, usage)));
    }
    let choices: Value = (0..choices)
        .map(|index| {
            let message = message(call, &reply);
            json!({"index": index, "message": message, "logprobs": null, "finish_reason": finish_reason(&reply)})
        })
        .collect();
    let mut completion = json!({
        "id": id,
        "object": "chat.completion",
        "created": CREATED,
        "model": call.model,
        "choices": choices,
        "service_tier": "default",
        "system_fingerprint": "fp_sim",
        "x_sim": unknown_field(),
    });
    call.put_usage(&mut completion, completion_usage(usage));
    Ok(Answer::Json(completion))
}

fn prompt<'a>(call: &'a Call<'_>) -> Result<Prompt<'a>, Refusal> {
    let messages =
        call.field("messages").as_array().filter(|messages| !messages.is_empty()).ok_or_else(|| {
            Refusal::invalid("messages", "Invalid 'messages': expected an array with at least one message.")
        })?;
    let role = |message: &'a Value| message.get("role").and_then(Value::as_str);
    let last = messages.last();
    let tools = call.field("tools").as_array().map(Vec::as_slice).unwrap_or_default();
    let choice = call.field("tool_choice");
    let format = call.field("response_format");
    Ok(Prompt {
        tools: tools
            .iter()
            .filter_map(|tool| tool.get("function"))
            .filter_map(|function| {
                let name = function.get("name")?.as_str()?;
                Some(Tool { name, schema: function.get("parameters").unwrap_or(&Value::Null) })
            })
            .collect(),
        choice: match choice.as_str() {
            Some("none") => Choice::None,
            _ => choice.pointer("/function/name").and_then(Value::as_str).map_or(Choice::Auto, Choice::Named),
        },
        tool_result: last.filter(|last| role(last) == Some("tool")).map(text::text_in),
        is_from_user: last.and_then(role) == Some("user"),
        format: match format.get("type").and_then(Value::as_str) {
            Some("json_object") => Format::Json,
            Some("json_schema") => {
                Format::Schema(format.pointer("/json_schema/schema").unwrap_or(&Value::Null))
            }
            _ => Format::Text,
        },
        max_tokens: call.number("max_completion_tokens").or_else(|| call.number("max_tokens")),
        bytes: messages.iter().map(text::bytes_in).sum(),
    })
}

const fn finish_reason(reply: &Reply) -> &'static str {
    match reply {
        Reply::Text { is_limited: false, .. } => "stop",
        Reply::Text { is_limited: true, .. } => "length",
        Reply::Tool { .. } => "tool_calls",
    }
}

fn message(call: &Call<'_>, reply: &Reply) -> Value {
    match reply {
        Reply::Text { text, .. } => {
            json!({"role": "assistant", "content": text, "refusal": null, "annotations": []})
        }
        Reply::Tool { name, arguments } => json!({
            "role": "assistant",
            "content": null,
            "tool_calls": [{
                "id": call.sim.id("call_"),
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }],
            "refusal": null,
            "annotations": [],
        }),
    }
}

struct Stream<'a> {
    call: &'a Call<'a>,
    id: &'a str,
}

impl Stream<'_> {
    fn events(&self, reply: &Reply, choices: usize, usage: Usage) -> Vec<Event> {
        let mut events: Vec<Event> =
            (0..choices).map(|index| self.delta(index, &self.opening(reply))).collect();
        let said = match reply {
            Reply::Text { text, .. } => text,
            Reply::Tool { arguments, .. } => arguments,
        };
        let piece = match reply {
            Reply::Text { .. } => json!({"content": HOLE}),
            Reply::Tool { .. } => json!({"tool_calls": [{"index": 0, "function": {"arguments": HOLE}}]}),
        };
        let pieces: Vec<Template> =
            (0..choices).map(|index| Template::new(&self.delta(index, &piece))).collect();
        for piece in self.call.pieces(said) {
            let piece = quoted(piece);
            events.extend(pieces.iter().map(|template| template.fill([piece.as_str()])));
        }
        let reason = finish_reason(reply).into();
        events.extend((0..choices).map(|index| self.chunk(index, &json!({}), &reason).finish()));
        if self.wants_usage() && !self.call.directives.no_usage {
            let mut chunk = self.envelope(&json!([]));
            chunk["usage"] = completion_usage(usage);
            events.push(Event::data(&chunk));
        }
        events.push(Event::done());
        events
    }

    fn opening(&self, reply: &Reply) -> Value {
        match reply {
            Reply::Text { .. } => json!({"role": "assistant", "content": "", "refusal": null}),
            Reply::Tool { name, .. } => json!({
                "role": "assistant",
                "content": null,
                "tool_calls": [{
                    "index": 0,
                    "id": self.call.sim.id("call_"),
                    "type": "function",
                    "function": {"name": name, "arguments": ""},
                }],
                "refusal": null,
            }),
        }
    }

    fn delta(&self, index: usize, delta: &Value) -> Event {
        self.chunk(index, delta, &Value::Null)
    }

    fn chunk(&self, index: usize, delta: &Value, finish_reason: &Value) -> Event {
        let choice =
            json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
        Event::data(&self.envelope(&json!([choice])))
    }

    fn envelope(&self, choices: &Value) -> Value {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self.call.model,
            "service_tier": "default",
            "system_fingerprint": "fp_sim",
            "choices": choices,
            "x_sim": unknown_field(),
        });
        if self.wants_usage() {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    fn wants_usage(&self) -> bool {
        self.call.field("stream_options").get("include_usage") == Some(&Value::Bool(true))
    }
}
