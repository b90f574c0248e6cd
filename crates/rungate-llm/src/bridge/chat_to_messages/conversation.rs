//! Chat messages as Anthropic's turns.
//!
//! - `system` and `developer` messages become the system prompt, in their order, wherever in the conversation they stand:
//!   older Claude models know no system message between turns.
//! - `tool` messages are `tool_result` blocks of a user turn; neighbours of the same role become one turn.
//! - Blank texts, which Anthropic refuses, are left out, and so is a message with nothing else in it.
//! - `cache_control` on a part is Anthropic's own and passes.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::super::TranslateError;
use super::super::common::{DataUri, Dropped, Field, Object, TextOrItems, invalid, unsupported};

/// The conversation as Anthropic takes it.
#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    role: Role,
    content: Vec<Block<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Block<'a> {
    #[serde(flatten)]
    kind: BlockKind<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<&'a RawValue>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockKind<'a> {
    Text {
        text: Cow<'a, str>,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<Cow<'a, str>>,
    },
    ToolUse {
        id: String,
        name: Cow<'a, str>,
        input: Box<RawValue>,
    },
    ToolResult {
        tool_use_id: String,
        content: ToolOutput<'a>,
    },
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Source<'a> {
    Base64 { media_type: Cow<'a, str>, data: Cow<'a, str> },
    Url { url: Cow<'a, str> },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ToolOutput<'a> {
    Text(Cow<'a, str>),
    Blocks(Vec<Block<'a>>),
}

impl<'a> Block<'a> {
    /// A text; `None` when it is blank.
    fn text(text: Cow<'a, str>, cache_control: Option<&'a RawValue>) -> Option<Self> {
        (!text.trim().is_empty()).then_some(Self { kind: BlockKind::Text { text }, cache_control })
    }
}

impl<'a> Conversation<'a> {
    /// Reads the request's `messages`.
    pub(super) fn read(messages: &Field<'a>, dropped: &mut Dropped) -> Result<Self, TranslateError> {
        let mut conversation = Self::default();
        for message in messages.items()? {
            conversation.add(&message, dropped)?;
        }
        if conversation.turns.is_empty() {
            return Err(unsupported(
                &messages.path,
                "at least one message of a user or assistant must say something",
            ));
        }
        Ok(conversation)
    }

    fn add(&mut self, message: &Field<'a>, dropped: &mut Dropped) -> Result<(), TranslateError> {
        let mut message = message.object()?;
        let role = message.require("role")?;
        match role.string()?.as_ref() {
            "system" | "developer" => self.system.extend(instructions(&mut message, dropped)?),
            "user" => self.extend(Role::User, user_blocks(&mut message, dropped)?),
            "assistant" => self.extend(Role::Assistant, assistant_blocks(&mut message, dropped)?),
            "tool" => self.extend(Role::User, vec![tool_result(&mut message, dropped)?]),
            "function" => return Err(unsupported(role.path, "functions are replaced by tools")),
            _ => return Err(invalid(role.path, "must be system, developer, user, assistant or tool")),
        }
        message.leave(dropped);
        Ok(())
    }

    /// Adds to the last turn when it is of the same role, as Anthropic's turns alternate.
    fn extend(&mut self, role: Role, blocks: Vec<Block<'a>>) {
        match self.turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some(turn) if turn.role == role => turn.content.extend(blocks),
            _ => self.turns.push(Turn { role, content: blocks }),
        }
    }
}

fn instructions<'a>(
    message: &mut Object<'a>,
    dropped: &mut Dropped,
) -> Result<Vec<Block<'a>>, TranslateError> {
    let content = message.require("content")?;
    match content.text_or_items()? {
        TextOrItems::Text(text) => Ok(Block::text(text, None).into_iter().collect()),
        TextOrItems::Items(parts) => blocks_of(parts, dropped, |kind, part, _| match kind {
            "text" => Ok(BlockKind::Text { text: part.require("text")?.string()? }),
            _ => Err(invalid(part.path_of("type"), "must be text")),
        }),
    }
}

fn user_blocks<'a>(
    message: &mut Object<'a>,
    dropped: &mut Dropped,
) -> Result<Vec<Block<'a>>, TranslateError> {
    let content = message.require("content")?;
    match content.text_or_items()? {
        TextOrItems::Text(text) => Ok(Block::text(text, None).into_iter().collect()),
        TextOrItems::Items(parts) => blocks_of(parts, dropped, input_part),
    }
}

/// An answer as it was given: what was said or refused, then the calls.
fn assistant_blocks<'a>(
    message: &mut Object<'a>,
    dropped: &mut Dropped,
) -> Result<Vec<Block<'a>>, TranslateError> {
    for name in ["audio", "function_call"] {
        if let Some(field) = message.take(name) {
            return Err(unsupported(field.path, "there is no such content"));
        }
    }
    let mut blocks = Vec::new();
    if let Some(content) = message.take("content") {
        match content.text_or_items()? {
            TextOrItems::Text(text) => blocks.extend(Block::text(text, None)),
            TextOrItems::Items(parts) => {
                blocks.extend(blocks_of(parts, dropped, |kind, part, _| match kind {
                    "text" | "refusal" => Ok(BlockKind::Text { text: part.require(kind)?.string()? }),
                    _ => Err(invalid(part.path_of("type"), "must be text or refusal")),
                })?);
            }
        }
    }
    if let Some(refusal) = message.take("refusal") {
        blocks.extend(Block::text(refusal.string()?, None));
    }
    if let Some(calls) = message.take("tool_calls") {
        for call in calls.items()? {
            blocks.push(tool_use(&call, dropped)?);
        }
    }
    Ok(blocks)
}

fn tool_use<'a>(call: &Field<'a>, dropped: &mut Dropped) -> Result<Block<'a>, TranslateError> {
    let mut call = call.object()?;
    require_function(&mut call)?;
    let id = tool_id(&call.require("id")?.string()?);
    let mut function = call.require("function")?.object()?;
    let name = function.require("name")?.string()?;
    let input = tool_input(&function.require("arguments")?)?;
    function.leave(dropped);
    let cache_control = call.take("cache_control").map(|control| control.raw());
    call.leave(dropped);
    Ok(Block { kind: BlockKind::ToolUse { id, name, input }, cache_control })
}

/// Refuses a tool or a call that is not a function, the only type with an equivalent.
pub(super) fn require_function(tool: &mut Object<'_>) -> Result<(), TranslateError> {
    match tool.take("type") {
        Some(kind) if kind.string()? != "function" => {
            Err(unsupported(kind.path, "only functions can be called"))
        }
        _ => Ok(()),
    }
}

/// The arguments of a call, byte for byte; a call without any gives the empty text.
fn tool_input(arguments: &Field<'_>) -> Result<Box<RawValue>, TranslateError> {
    let written = arguments.string()?;
    let written = if written.trim().is_empty() { "{}" } else { written.trim() };
    match RawValue::from_string(written.to_owned()) {
        Ok(input) if written.starts_with('{') => Ok(input),
        _ => Err(invalid(&arguments.path, "must be a JSON object")),
    }
}

/// Anthropic takes letters, digits, `_` and `-` in a call's id; other providers, whose calls may be part of a
/// conversation that moved here, are freer.
fn tool_id(id: &str) -> String {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    id.chars().map(|character| if allowed(character) { character } else { '_' }).collect()
}

fn tool_result<'a>(message: &mut Object<'a>, dropped: &mut Dropped) -> Result<Block<'a>, TranslateError> {
    let tool_use_id = tool_id(&message.require("tool_call_id")?.string()?);
    let content = match message.require("content")?.text_or_items()? {
        TextOrItems::Text(text) => ToolOutput::Text(text),
        TextOrItems::Items(parts) => ToolOutput::Blocks(blocks_of(parts, dropped, input_part)?),
    };
    Ok(Block { kind: BlockKind::ToolResult { tool_use_id, content }, cache_control: None })
}

/// Reads parts with `read`, which is given each part's type and its members.
fn blocks_of<'a>(
    parts: Vec<Field<'a>>,
    dropped: &mut Dropped,
    read: impl Fn(&str, &mut Object<'a>, &mut Dropped) -> Result<BlockKind<'a>, TranslateError>,
) -> Result<Vec<Block<'a>>, TranslateError> {
    let mut blocks = Vec::new();
    for part in parts {
        let mut part = part.object()?;
        let kind = part.require("type")?.string()?;
        let cache_control = part.take("cache_control").map(|control| control.raw());
        match read(&kind, &mut part, dropped)? {
            BlockKind::Text { text } => blocks.extend(Block::text(text, cache_control)),
            kind => blocks.push(Block { kind, cache_control }),
        }
        part.leave(dropped);
    }
    Ok(blocks)
}

fn input_part<'a>(
    kind: &str,
    part: &mut Object<'a>,
    dropped: &mut Dropped,
) -> Result<BlockKind<'a>, TranslateError> {
    match kind {
        "text" => Ok(BlockKind::Text { text: part.require("text")?.string()? }),
        "image_url" => image(&part.require("image_url")?, dropped),
        "file" => document(&part.require("file")?, dropped),
        "input_audio" => Err(unsupported(part.path_of("type"), "audio is not taken as input")),
        _ => Err(unsupported(part.path_of("type"), "there is no such content")),
    }
}

fn image<'a>(image: &Field<'a>, dropped: &mut Dropped) -> Result<BlockKind<'a>, TranslateError> {
    let mut image = image.object()?;
    let url = image.require("url")?;
    image.take_neutral("detail", &["auto"]);
    image.leave(dropped);
    let address = url.string()?;
    let source = if address.starts_with("https://") || address.starts_with("http://") {
        Source::Url { url: address }
    } else {
        let DataUri { media_type, data } = DataUri::parse(address)
            .ok_or_else(|| invalid(url.path, "must be an http(s) address or a base64 data: URI"))?;
        Source::Base64 { media_type, data }
    };
    Ok(BlockKind::Image { source })
}

fn document<'a>(file: &Field<'a>, dropped: &mut Dropped) -> Result<BlockKind<'a>, TranslateError> {
    let mut file = file.object()?;
    if let Some(id) = file.take("file_id") {
        return Err(unsupported(
            id.path,
            "an uploaded file is known to the provider it was uploaded to alone",
        ));
    }
    let data = file.require("file_data")?;
    let title = file.take("filename").map(|name| name.string()).transpose()?;
    file.leave(dropped);
    match DataUri::parse(data.string()?) {
        Some(DataUri { media_type, data }) if media_type == "application/pdf" => {
            Ok(BlockKind::Document { source: Source::Base64 { media_type, data }, title })
        }
        Some(_) => Err(unsupported(data.path, "only PDF files are taken")),
        None => Err(invalid(data.path, "must be a base64 data: URI")),
    }
}
