//! Anthropic's turns as chat messages.
//!
//! - Texts of instructions and of tool results are joined by line feeds, texts of an assistant by nothing, as they were
//!   generated: many providers of the format take only strings there.
//! - Results of tools become `tool` messages before the rest of their turn, as OpenAI wants them right after the calls.
//!   A `tool` message holds text alone, so images in a result follow in the user message.
//! - A failed result begins with `Error: `, the one place where OpenAI's format can say so.
//! - Thinking is left out: it is signed for Claude and means nothing to another model.

use std::borrow::Cow;

use serde::Serialize;

use super::super::TranslateError;
use super::super::common::{Dropped, Field, Object, TextOrItems, invalid, unsupported};

#[derive(Debug, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub(super) enum ChatMessage<'a> {
    System {
        content: Cow<'a, str>,
    },
    User {
        content: UserContent<'a>,
    },
    Assistant {
        content: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall<'a>>,
    },
    Tool {
        tool_call_id: Cow<'a, str>,
        content: String,
    },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum UserContent<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part<'a> {
    Text { text: Cow<'a, str> },
    ImageUrl { image_url: ImageUrl<'a> },
    File { file: File<'a> },
}

#[derive(Debug, Serialize)]
pub(super) struct ImageUrl<'a> {
    url: Cow<'a, str>,
}

#[derive(Debug, Serialize)]
pub(super) struct File<'a> {
    filename: Cow<'a, str>,
    file_data: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ToolCall<'a> {
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    /// The input as it was written.
    arguments: &'a str,
}

/// Reads the request's `system`.
pub(super) fn system<'a>(
    system: &Field<'a>,
    dropped: &mut Dropped,
) -> Result<Option<ChatMessage<'a>>, TranslateError> {
    let content = instructions(system, dropped)?;
    Ok((!content.is_empty()).then_some(ChatMessage::System { content }))
}

/// Reads the request's `messages`.
pub(super) fn messages<'a>(
    messages: &Field<'a>,
    dropped: &mut Dropped,
) -> Result<Vec<ChatMessage<'a>>, TranslateError> {
    let mut chat = Vec::new();
    for message in messages.items()? {
        let mut message = message.object()?;
        let role = message.require("role")?;
        let content = message.require("content")?;
        match role.string()?.as_ref() {
            "user" => user(&content, &mut chat, dropped)?,
            "assistant" => chat.push(assistant(&content, dropped)?),
            "system" => chat.push(ChatMessage::System { content: instructions(&content, dropped)? }),
            _ => return Err(invalid(role.path, "must be user, assistant or system")),
        }
        message.leave(dropped);
    }
    Ok(chat)
}

fn instructions<'a>(content: &Field<'a>, dropped: &mut Dropped) -> Result<Cow<'a, str>, TranslateError> {
    let blocks = match content.text_or_items()? {
        TextOrItems::Text(text) => return Ok(text),
        TextOrItems::Items(blocks) => blocks,
    };
    let mut texts = Vec::with_capacity(blocks.len());
    for block in blocks {
        let mut block = block.object()?;
        let kind = block.require("type")?;
        if kind.string()? != "text" {
            return Err(invalid(kind.path, "must be text"));
        }
        texts.push(block.require("text")?.string()?);
        block.leave(dropped);
    }
    Ok(texts.join("\n").into())
}

fn user<'a>(
    content: &Field<'a>,
    chat: &mut Vec<ChatMessage<'a>>,
    dropped: &mut Dropped,
) -> Result<(), TranslateError> {
    let blocks = match content.text_or_items()? {
        TextOrItems::Text(text) => {
            chat.push(ChatMessage::User { content: UserContent::Text(text) });
            return Ok(());
        }
        TextOrItems::Items(blocks) => blocks,
    };
    let (mut of_results, mut parts) = (Vec::new(), Vec::new());
    for block in blocks {
        let mut block = block.object()?;
        let kind = block.require("type")?;
        if kind.string()? == "tool_result" {
            chat.push(tool_result(&mut block, &mut of_results, dropped)?);
        } else {
            parts.push(part(&kind, &mut block, dropped)?);
        }
        block.leave(dropped);
    }
    of_results.append(&mut parts);
    chat.extend(user_content(of_results).map(|content| ChatMessage::User { content }));
    Ok(())
}

/// One text needs no list, which not every provider takes.
fn user_content(mut parts: Vec<Part<'_>>) -> Option<UserContent<'_>> {
    match parts.pop() {
        None => None,
        Some(Part::Text { text }) if parts.is_empty() => Some(UserContent::Text(text)),
        Some(last) => {
            parts.push(last);
            Some(UserContent::Parts(parts))
        }
    }
}

fn part<'a>(
    kind: &Field<'a>,
    block: &mut Object<'a>,
    dropped: &mut Dropped,
) -> Result<Part<'a>, TranslateError> {
    match kind.string()?.as_ref() {
        "text" => Ok(Part::Text { text: block.require("text")?.string()? }),
        "image" => image(&block.require("source")?, dropped),
        "document" => document(block, dropped),
        _ => Err(unsupported(&kind.path, "there is no such content")),
    }
}

fn image<'a>(source: &Field<'a>, dropped: &mut Dropped) -> Result<Part<'a>, TranslateError> {
    let mut source = source.object()?;
    let kind = source.require("type")?;
    let url = match kind.string()?.as_ref() {
        "url" => source.require("url")?.string()?,
        "base64" => data_uri(&mut source)?.into(),
        _ => {
            return Err(unsupported(
                kind.path,
                "an uploaded file is known to the provider it was uploaded to alone",
            ));
        }
    };
    source.leave(dropped);
    Ok(Part::ImageUrl { image_url: ImageUrl { url } })
}

fn document<'a>(block: &mut Object<'a>, dropped: &mut Dropped) -> Result<Part<'a>, TranslateError> {
    let title = block.take("title").map(|title| title.string()).transpose()?;
    let mut source = block.require("source")?.object()?;
    let kind = source.require("type")?;
    let part = match kind.string()?.as_ref() {
        "base64" => Part::File {
            file: File {
                filename: title.unwrap_or("document.pdf".into()),
                file_data: data_uri(&mut source)?,
            },
        },
        "text" => {
            source.take_neutral("media_type", &["text/plain"]);
            Part::Text { text: source.require("data")?.string()? }
        }
        _ => return Err(unsupported(kind.path, "a document is taken as base64 or as text")),
    };
    source.leave(dropped);
    Ok(part)
}

fn data_uri(source: &mut Object<'_>) -> Result<String, TranslateError> {
    let media_type = source.require("media_type")?.string()?;
    let data = source.require("data")?.string()?;
    Ok(format!("data:{media_type};base64,{data}"))
}

/// The `tool` message of a result; what of it is not text goes to `parts`.
fn tool_result<'a>(
    block: &mut Object<'a>,
    parts: &mut Vec<Part<'a>>,
    dropped: &mut Dropped,
) -> Result<ChatMessage<'a>, TranslateError> {
    let tool_call_id = block.require("tool_use_id")?.string()?;
    let mut texts = Vec::new();
    match block.take("content").map(|content| content.text_or_items()).transpose()? {
        None => {}
        Some(TextOrItems::Text(text)) => texts.push(text),
        Some(TextOrItems::Items(blocks)) => {
            for block in blocks {
                let mut block = block.object()?;
                let kind = block.require("type")?;
                match part(&kind, &mut block, dropped)? {
                    Part::Text { text } => texts.push(text),
                    other => parts.push(other),
                }
                block.leave(dropped);
            }
        }
    }
    let failed = block.take("is_error").map_or(Ok(false), |failed| failed.boolean())?;
    let content = format!("{}{}", if failed { "Error: " } else { "" }, texts.join("\n"));
    Ok(ChatMessage::Tool { tool_call_id, content })
}

fn assistant<'a>(content: &Field<'a>, dropped: &mut Dropped) -> Result<ChatMessage<'a>, TranslateError> {
    let blocks = match content.text_or_items()? {
        TextOrItems::Text(text) => {
            return Ok(ChatMessage::Assistant { content: Some(text.into_owned()), tool_calls: Vec::new() });
        }
        TextOrItems::Items(blocks) => blocks,
    };
    let (mut said, mut tool_calls) = (String::new(), Vec::new());
    for block in blocks {
        let path = block.path.clone();
        let mut block = block.object()?;
        let kind = block.require("type")?;
        match kind.string()?.as_ref() {
            "text" => said.push_str(&block.require("text")?.string()?),
            "tool_use" => tool_calls.push(tool_call(&mut block)?),
            "thinking" | "redacted_thinking" => {
                dropped.note(&format!("{path}.thinking"));
                continue;
            }
            _ => return Err(unsupported(kind.path, "there is no such content")),
        }
        block.leave(dropped);
    }
    // OpenAI's content is null beside calls alone, and a text otherwise.
    let content = (!said.is_empty() || tool_calls.is_empty()).then_some(said);
    Ok(ChatMessage::Assistant { content, tool_calls })
}

fn tool_call<'a>(block: &mut Object<'a>) -> Result<ToolCall<'a>, TranslateError> {
    let id = block.require("id")?.string()?;
    let name = block.require("name")?.string()?;
    let input = block.require("input")?;
    input.object()?;
    Ok(ToolCall { id, kind: "function", function: Function { name, arguments: input.raw().get() } })
}
