//! A whole message as a chat completion.
//!
//! Thinking becomes `reasoning_content`, the name that most providers of reasoning models use; its signature is lost, so
//! it cannot be sent back. Blocks of the provider's own tools, which a chat request cannot ask for, are left out.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::common::{read_answer, write_answer};
use super::super::{AnswerContext, BadAnswer};

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    _kind: MessageKind,
    id: String,
    model: Option<String>,
    #[serde(borrow)]
    content: Vec<Block<'a>>,
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MessageKind {
    Message,
}

/// A content block of any type; what the type does not have is absent.
#[derive(Debug, Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) text: String,
    #[serde(default)]
    pub(super) thinking: String,
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// Tokens as Anthropic counts them: those read from and written to its cache stand beside `input_tokens`, not in it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Usage {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl Usage {
    /// Takes in a later report of the same stream: its counts are totals, and what it does not name stays.
    pub(super) fn update(&mut self, later: &Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.cache_read_input_tokens = later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens =
            later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
    }

    pub(super) fn of_chat(&self) -> ChatUsage {
        let cached_tokens = self.cache_read_input_tokens.unwrap_or(0);
        let prompt_tokens =
            [self.input_tokens, self.cache_read_input_tokens, self.cache_creation_input_tokens]
                .into_iter()
                .flatten()
                .fold(0, u64::saturating_add);
        let completion_tokens = self.output_tokens.unwrap_or(0);
        ChatUsage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: PromptDetails { cached_tokens },
            completion_tokens_details: self
                .output_tokens_details
                .and_then(|details| details.thinking_tokens)
                .map(|reasoning_tokens| CompletionDetails { reasoning_tokens }),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ChatUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Debug, Clone, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
}

#[derive(Debug, Clone, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

#[derive(Debug, Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: ChatUsage,
}

#[derive(Debug, Serialize)]
struct Choice<'a> {
    index: u32,
    message: ChatMessage<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Debug, Default, Serialize)]
struct ChatMessage<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
}

#[derive(Debug, Serialize)]
struct ToolCall<'a> {
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    arguments: &'a str,
}

/// Translates a whole answer.
pub(in super::super) fn translate(body: &[u8], context: &AnswerContext) -> Result<Bytes, BadAnswer> {
    let message: Message<'_> = read_answer(body)?;
    let stop_reason = message.stop_reason.as_deref().unwrap_or_default();
    write_answer(&Completion {
        id: completion_id(&message.id),
        object: "chat.completion",
        created: context.created,
        model: message.model.as_deref().unwrap_or(&context.model),
        choices: [Choice {
            index: 0,
            message: chat_message(message.content),
            logprobs: None,
            finish_reason: finish_reason(stop_reason),
        }],
        usage: message.usage.of_chat(),
    })
}

fn chat_message(blocks: Vec<Block<'_>>) -> ChatMessage<'_> {
    let mut message = ChatMessage { role: "assistant", ..ChatMessage::default() };
    for block in blocks {
        match block.kind.as_str() {
            "text" => message.content.get_or_insert_default().push_str(&block.text),
            "thinking" => message.reasoning_content.get_or_insert_default().push_str(&block.thinking),
            "tool_use" => message.tool_calls.push(ToolCall {
                id: block.id.into(),
                kind: "function",
                function: Function {
                    name: block.name.into(),
                    arguments: block.input.map_or("{}", |input| input.get()),
                },
            }),
            _ => {}
        }
    }
    // OpenAI's content is null beside calls alone, and a text otherwise.
    if message.tool_calls.is_empty() {
        message.content.get_or_insert_default();
    }
    message
}

/// The message's id in OpenAI's spelling.
pub(super) fn completion_id(message_id: &str) -> String {
    format!("chatcmpl-{}", message_id.strip_prefix("msg_").unwrap_or(message_id))
}

/// A reason to stop that is not known ends the turn like any other.
pub(super) fn finish_reason(stop_reason: &str) -> &'static str {
    match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        _ => "stop",
    }
}
