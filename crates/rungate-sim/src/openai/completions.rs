//! `POST /v1/completions`.

use serde_json::{Value, json};

use super::completion_usage;
use crate::call::{Answer, CREATED, Call, unknown_field};
use crate::event::{Event, HOLE, Template, quoted};
use crate::refusal::Refusal;
use crate::reply::{Prompt, Reply};

/// What the endpoint writes when no limit is given, as documented.
const DEFAULT_MAX_TOKENS: u64 = 16;

/// A text completion, or its stream. Several prompts are answered by as many choices.
pub(crate) fn answer(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (prompts, bytes) = prompts(call.field("prompt"));
    let max_tokens = Some(call.number("max_tokens").unwrap_or(DEFAULT_MAX_TOKENS));
    let reply = Prompt { max_tokens, ..Prompt::default() }.reply(call.directives);
    let Reply::Text { text, is_limited } = &reply else {
        return Err(Refusal::invalid("prompt", "A text completion calls no tools."));
    };
    let choices = call.choices(text.len().saturating_mul(prompts))? * prompts;
    let usage = call.usage(bytes, reply.tokens() * choices as u64);
    let finish_reason = if *is_limited { "length" } else { "stop" };
    let mut envelope = json!({
        "id": call.sim.id("cmpl-"),
        "object": "text_completion",
        "created": CREATED,
        "model": call.model,
        "system_fingerprint": "fp_sim",
        "x_sim": unknown_field(),
    });
    let choice = |index: usize, text: &str, finish_reason: Option<&str>| json!({"index": index, "text": text, "logprobs": null, "finish_reason": finish_reason});
    if !call.is_true("stream") {
        envelope["choices"] = (0..choices).map(|index| choice(index, text, Some(finish_reason))).collect();
        call.put_usage(&mut envelope, completion_usage(usage));
        return Ok(Answer::Json(envelope));
    }
    let wants_usage = call.field("stream_options").get("include_usage") == Some(&Value::Bool(true));
    if wants_usage {
        envelope["usage"] = Value::Null;
    }
    let mut event = |choices: Value| {
        envelope["choices"] = choices;
        Event::data(&envelope)
    };
    let templates: Vec<Template> =
        (0..choices).map(|index| Template::new(&event(json!([choice(index, HOLE, None)])))).collect();
    let mut events = Vec::new();
    for piece in call.pieces(text) {
        let piece = quoted(piece);
        events.extend(templates.iter().map(|template| template.fill([piece.as_str()])));
    }
    events.extend((0..choices).map(|index| event(json!([choice(index, "", Some(finish_reason))])).finish()));
    if wants_usage && !call.directives.no_usage {
        envelope["choices"] = json!([]);
        envelope["usage"] = completion_usage(usage);
        events.push(Event::data(&envelope));
    }
    events.push(Event::done());
    Ok(Answer::Events(events))
}

/// How many prompts there are, and their bytes; a token id counts as one token.
fn prompts(prompt: &Value) -> (usize, usize) {
    match prompt {
        Value::String(text) => (1, text.len()),
        Value::Array(parts) if parts.iter().any(|part| part.is_string() || part.is_array()) => {
            (parts.len(), parts.iter().map(|part| prompts(part).1).sum())
        }
        Value::Array(token_ids) => (1, token_ids.len() * 4),
        _ => (1, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_counted_in_each_form() {
        assert_eq!(prompts(&json!("abc")), (1, 3));
        assert_eq!(prompts(&json!(["ab", "c"])), (2, 3));
        assert_eq!(prompts(&json!([1, 2, 3])), (1, 12));
        assert_eq!(prompts(&json!([[1, 2], [3]])), (2, 12));
    }
}
