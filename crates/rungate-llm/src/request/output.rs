//! The output limit of a body, and lowering it.

use std::ops::Range;

use bytes::Bytes;
use rungate_core::operation::Operation;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{is_null, present, span};
use super::rewrite::{Edit, apply, insert_members};

const MAX_TOKENS: &str = "max_tokens";
const MAX_COMPLETION_TOKENS: &str = "max_completion_tokens";
const MAX_OUTPUT_TOKENS: &str = "max_output_tokens";

#[derive(Deserialize)]
struct Limits<'a> {
    #[serde(rename = "max_tokens", default, borrow, deserialize_with = "present")]
    older: Option<&'a RawValue>,
    #[serde(rename = "max_completion_tokens", default, borrow, deserialize_with = "present")]
    newer: Option<&'a RawValue>,
    #[serde(rename = "max_output_tokens", default, borrow, deserialize_with = "present")]
    of_responses: Option<&'a RawValue>,
}

/// The body with no output limit above `most`, and with one that is heeded. Every other byte stays as it is; without a
/// change the same bytes are shared. `None` when the operation generates no text, or the body is no JSON object.
///
/// The body is one that is sent for `model`; `completion_tokens` says whether its provider heeds `max_completion_tokens`.
/// Where a body names both limits, both are held to `most`.
pub fn lower_output_limit(
    operation: Operation,
    body: &Bytes,
    model: &str,
    completion_tokens: bool,
    most: u64,
) -> Option<Bytes> {
    let text = std::str::from_utf8(body).ok()?;
    let limits: Limits<'_> = serde_json::from_str(text).ok()?;
    let older = (MAX_TOKENS, limits.older);
    let newer = (MAX_COMPLETION_TOKENS, limits.newer);
    let takes_newer = takes_completion_tokens(model);
    // Those that are heeded, the one that is set where there is none first.
    let (heeded, ignored) = match operation {
        Operation::ChatCompletions if takes_newer => (vec![newer, older], None),
        Operation::ChatCompletions if completion_tokens => (vec![older, newer], None),
        Operation::ChatCompletions => (vec![older], Some(newer)),
        Operation::Completions | Operation::Messages => (vec![older], None),
        Operation::Responses => (vec![(MAX_OUTPUT_TOKENS, limits.of_responses)], None),
        _ => return None,
    };
    let is_set = |value: Option<&RawValue>| value.is_some_and(|value| !is_null(value));
    let mut edits: Vec<Edit> = heeded
        .iter()
        .chain(&ignored)
        .filter_map(|(_, value)| lowered(text, value.filter(|value| !is_null(value))?, most))
        .collect();
    if !heeded.iter().any(|(_, value)| is_set(*value)) {
        let (name, null) = heeded[0];
        edits.push(match null {
            Some(null) => edit(span(text, null), most),
            None => insert_members(body, 0, &format!("\"{name}\":{most}"))?,
        });
    }
    Some(apply(body, edits))
}

/// What a limit must become; `None` when it may stay.
fn lowered(text: &str, limit: &RawValue, most: u64) -> Option<Edit> {
    let is_low = limit.get().parse::<u64>().is_ok_and(|limit| limit <= most);
    (!is_low).then(|| edit(span(text, limit), most))
}

fn edit(at: Range<usize>, most: u64) -> Edit {
    Edit { at, text: most.to_string() }
}

/// OpenAI's reasoning models (`o1`, `o3-mini`, `gpt-5` and later) refuse `max_tokens`, and many compatible providers know
/// nothing else. Aggregators put a provider before the name: `openai/gpt-5`.
pub(crate) fn takes_completion_tokens(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let generation = |prefix: &str| {
        let rest = name.strip_prefix(prefix)?;
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse::<u32>().ok()
    };
    generation("o").is_some() || generation("gpt-").is_some_and(|generation| generation >= 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lower(operation: Operation, body: &str, model: &str, completion_tokens: bool) -> Option<String> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let lowered = lower_output_limit(operation, &body, model, completion_tokens, 100)?;
        Some(String::from_utf8(lowered.to_vec()).unwrap())
    }

    #[test]
    fn reasoning_models_of_openai_take_completion_tokens() {
        for model in
            ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5.1-codex", "openai/gpt-5-nano", "gpt-10"]
        {
            assert!(takes_completion_tokens(model), "{model}");
        }
        for model in ["gpt-4o", "gpt-4.1", "gpt-oss-120b", "olmo-2", "openai/gpt-4o-mini", "llama3", "", "o"]
        {
            assert!(!takes_completion_tokens(model), "{model}");
        }
    }

    #[test]
    fn w_051_a_limit_is_lowered_where_it_stands_and_nothing_else_changes() {
        use Operation::{ChatCompletions, Completions, Messages, Responses};
        for (operation, model, heeds, body, expected) in [
            (
                ChatCompletions,
                "gpt-4o",
                true,
                r#"{ "max_tokens" : 4096 ,"x":[1, 2]}"#,
                r#"{ "max_tokens" : 100 ,"x":[1, 2]}"#,
            ),
            (ChatCompletions, "gpt-4o", true, r#"{"max_tokens":100}"#, r#"{"max_tokens":100}"#),
            (
                ChatCompletions,
                "gpt-4o",
                true,
                r#"{"max_tokens":7,"max_completion_tokens":900}"#,
                r#"{"max_tokens":7,"max_completion_tokens":100}"#,
            ),
            (ChatCompletions, "gpt-4o", true, r#"{"n":2}"#, r#"{"max_tokens":100,"n":2}"#),
            (ChatCompletions, "gpt-5", true, r#"{"n":2}"#, r#"{"max_completion_tokens":100,"n":2}"#),
            (
                ChatCompletions,
                "gpt-5",
                true,
                r#"{"max_completion_tokens":null}"#,
                r#"{"max_completion_tokens":100}"#,
            ),
            (
                ChatCompletions,
                "deepseek-chat",
                false,
                r#"{"max_completion_tokens":500}"#,
                r#"{"max_tokens":100,"max_completion_tokens":100}"#,
            ),
            (ChatCompletions, "gpt-4o", true, r#"{"max_tokens":"many"}"#, r#"{"max_tokens":100}"#),
            (ChatCompletions, "gpt-4o", true, r#"{"max_tokens":1e9}"#, r#"{"max_tokens":100}"#),
            (Completions, "gpt-3.5-turbo-instruct", true, "{}", r#"{"max_tokens":100}"#),
            (
                Messages,
                "claude-opus-5",
                true,
                r#"{"max_tokens":101,"max_output_tokens":5}"#,
                r#"{"max_tokens":100,"max_output_tokens":5}"#,
            ),
            (Responses, "gpt-5", true, r#"{"max_output_tokens":101}"#, r#"{"max_output_tokens":100}"#),
        ] {
            assert_eq!(lower(operation, body, model, heeds).as_deref(), Some(expected), "{body}");
        }
        assert_eq!(lower(Operation::Embeddings, "{}", "m", true), None);
        assert_eq!(lower(ChatCompletions, r#"{"max_tokens":1,"max_tokens":2}"#, "m", true), None);
        assert_eq!(lower(ChatCompletions, "[]", "m", true), None);
    }
}
