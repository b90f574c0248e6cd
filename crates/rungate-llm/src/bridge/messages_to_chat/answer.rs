//! A whole chat completion as a message.
//!
//! Reasoning is left out: Anthropic's thinking is signed, and a block without its signature, sent back with the next
//! turn, is refused by Anthropic where that turn is routed there.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::common::{read_answer, write_answer};
use super::super::{AnswerContext, BadAnswer};

#[derive(Debug, Deserialize)]
struct Completion {
    #[serde(default)]
    id: String,
    model: Option<String>,
    choices: Vec<Choice>,
    usage: Option<ChatUsage>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: ChatMessage,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ChatMessage {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Debug, Deserialize)]
struct ToolCall {
    id: String,
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: String,
}

/// Tokens as OpenAI counts them: the cached ones are part of `prompt_tokens`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ChatUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Debug, Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

impl ChatUsage {
    pub(super) fn of_messages(&self) -> Usage {
        let cached =
            self.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens).unwrap_or(0);
        Usage {
            input_tokens: self.prompt_tokens.unwrap_or(0).saturating_sub(cached),
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: cached,
            output_tokens: self.completion_tokens.unwrap_or(0),
        }
    }
}

/// Tokens as Anthropic counts them.
#[expect(clippy::struct_field_names, reason = "the names of the wire format")]
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Usage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
}

/// A message, whole or at the start of its stream.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) model: &'a str,
    pub(super) content: Vec<Block>,
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<()>,
    pub(super) usage: Usage,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text { text: String },
    ToolUse { id: String, name: String, input: Box<RawValue> },
}

/// Translates a whole answer.
pub(in super::super) fn translate(body: &[u8], context: &AnswerContext) -> Result<Bytes, BadAnswer> {
    let completion: Completion = read_answer(body)?;
    let choice =
        completion.choices.into_iter().next().ok_or_else(|| BadAnswer("it has no choices".to_owned()))?;
    let finish_reason = choice.finish_reason.as_deref().unwrap_or_default();
    let refused = choice.message.refusal.as_ref().is_some_and(|refusal| !refusal.is_empty());
    let blocks = blocks(choice.message, finish_reason)?;
    let calls = blocks.iter().any(|block| matches!(block, Block::ToolUse { .. }));
    write_answer(&Message {
        id: message_id(&completion.id),
        kind: "message",
        role: "assistant",
        model: completion.model.as_deref().unwrap_or(&context.model),
        stop_reason: Some(stop_reason(finish_reason, calls, refused)),
        stop_sequence: None,
        content: blocks,
        usage: completion.usage.unwrap_or_default().of_messages(),
    })
}

fn blocks(message: ChatMessage, finish_reason: &str) -> Result<Vec<Block>, BadAnswer> {
    let mut blocks = Vec::new();
    for text in [message.content, message.refusal].into_iter().flatten() {
        if !text.is_empty() {
            blocks.push(Block::Text { text });
        }
    }
    for ToolCall { id, function: Function { name, arguments } } in message.tool_calls.unwrap_or_default() {
        match tool_input(arguments) {
            Some(input) => blocks.push(Block::ToolUse { id, name, input }),
            // The limit cut the arguments off, so there is no call to make; the reason to stop says so.
            None if finish_reason == "length" => {}
            None => return Err(BadAnswer(format!("the arguments for {name} are not a JSON object"))),
        }
    }
    Ok(blocks)
}

/// The arguments byte for byte; a call without any gives the empty text.
fn tool_input(arguments: String) -> Option<Box<RawValue>> {
    let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
    RawValue::from_string(arguments).ok().filter(|input| input.get().starts_with('{'))
}

/// The completion's id in Anthropic's spelling.
pub(super) fn message_id(completion_id: &str) -> String {
    format!("msg_{}", completion_id.strip_prefix("chatcmpl-").unwrap_or(completion_id))
}

/// Why the message ended. OpenAI says `stop` after a call that `tool_choice` forced, and says nothing else after a
/// refusal; a reason that is not known ends the turn like any other.
pub(super) fn stop_reason(finish_reason: &str, calls: bool, refused: bool) -> &'static str {
    match finish_reason {
        "length" => "max_tokens",
        "content_filter" => "refusal",
        _ if calls => "tool_use",
        _ if refused => "refusal",
        _ => "end_turn",
    }
}
