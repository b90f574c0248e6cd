//! Whether a conversation is text and nothing else, and which tools are offered. What is not understood is not text.

use std::borrow::Cow;

use rungate_core::operation::Operation;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Unbounded;

/// What stands in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Text.
    Text,
    /// Something whose tokens are not in its bytes.
    Other,
    /// Sound, which has a price of its own.
    Sound,
}

/// Kinds of parts and items that are text, whatever their fields are called.
const TEXT: [&str; 13] = [
    "text",
    "input_text",
    "output_text",
    "summary_text",
    "reasoning_text",
    "refusal",
    "thinking",
    "redacted_thinking",
    "reasoning",
    "tool_use",
    "function_call",
    "custom_tool_call",
    "compaction",
];
/// Those whose content is again a text or parts.
const NESTED: [&str; 3] = ["tool_result", "function_call_output", "custom_tool_call_output"];

#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
}

/// Looks through the value of `messages`, `input` or `prompt`.
pub(super) fn content(operation: Operation, words: &[u8]) -> Content {
    let Ok(words) = std::str::from_utf8(words) else { return Content::Other };
    if operation == Operation::Completions {
        return Content::Text;
    }
    of_value(words, 0)
}

/// How deep results of tools are followed.
const DEPTH: u32 = 3;

fn of_value(value: &str, depth: u32) -> Content {
    if value.starts_with('"') || value == "null" {
        return Content::Text;
    }
    if depth > DEPTH {
        return Content::Other;
    }
    let Ok(pieces) = serde_json::from_str::<Vec<Piece<'_>>>(value) else { return Content::Other };
    let of = |piece: &Piece<'_>| of_piece(piece, depth);
    pieces.iter().map(of).find(|content| *content != Content::Text).unwrap_or(Content::Text)
}

fn of_piece(piece: &Piece<'_>, depth: u32) -> Content {
    if piece.audio.is_some_and(|audio| audio.get() != "null") {
        return Content::Sound;
    }
    let inner =
        |value: Option<&RawValue>| value.map_or(Content::Text, |value| of_value(value.get(), depth + 1));
    match piece.kind.as_deref() {
        // A message: its content may be parts.
        None | Some("message") => inner(piece.content),
        Some("input_audio") => Content::Sound,
        Some(kind) if NESTED.contains(&kind) => match inner(piece.content) {
            Content::Text => inner(piece.output),
            other => other,
        },
        Some(kind) if TEXT.contains(&kind) => Content::Text,
        Some(_) => Content::Other,
    }
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
}

/// Kinds of tools that the provider describes and the client runs (Anthropic's), by what they begin with.
const NAMED: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];

/// How many tools are offered that the provider describes by itself. One that it also runs has no bound.
pub(super) fn tools(tools: &[u8]) -> Result<u64, Unbounded> {
    let unknown = Unbounded { field: "tools", why: "cannot be understood" };
    let tools: Vec<Tool<'_>> = serde_json::from_slice(tools).map_err(|_| unknown)?;
    let mut named = 0;
    for tool in &tools {
        match tool.kind.as_deref() {
            None | Some("function" | "custom") => {}
            Some(kind) if NAMED.iter().any(|known| kind.starts_with(known)) => named += 1,
            Some(_) => {
                let why = "offers a tool that the provider runs and charges by the call, and nothing bounds how often";
                return Err(Unbounded { field: "tools", why });
            }
        }
    }
    Ok(named)
}
