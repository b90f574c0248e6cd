//! Anthropic messages.

use serde::Deserialize;

use super::usage::Anthropic;
use super::{EventKind, NotTheFormat, ProviderError, Report, Text, json};
use crate::sse::Event;

/// What a stream has said so far.
#[derive(Debug, Default)]
pub struct Counts {
    usage: Anthropic,
    has_stop_reason: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    model: Option<Text<'a>>,
    #[serde(borrow, default)]
    content: Vec<Block<'a>>,
    #[serde(default)]
    usage: Option<Anthropic>,
    #[serde(borrow, default)]
    stop_reason: Option<Text<'a>>,
}

/// A content block or a delta of one: both name their text alike.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    thinking: Option<Text<'a>>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    input: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    partial_json: Option<Text<'a>>,
    #[serde(borrow, default)]
    stop_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    content_block: Option<Block<'a>>,
    #[serde(borrow, default)]
    delta: Option<Block<'a>>,
    #[serde(default)]
    usage: Option<Anthropic>,
    #[serde(default)]
    error: Option<ProviderError>,
}

#[derive(Deserialize)]
struct Counted {
    #[serde(default)]
    input_tokens: Option<u64>,
}

/// Reads a whole answer: a message, or a count of tokens.
pub fn whole(body: &[u8], report: &mut Report) -> Result<(), NotTheFormat> {
    let message: Message<'_> = json(body)?;
    if message.usage.is_none() {
        // A count of tokens has nothing but its number.
        let counted: Counted = json(body)?;
        return counted.input_tokens.map(|_| ()).ok_or(NotTheFormat);
    }
    report.named(message.model.as_ref().map(Text::as_str));
    message.content.iter().for_each(|block| read_block(block, report));
    report.usage = message.usage.as_ref().and_then(Anthropic::normal);
    Ok(())
}

impl Counts {
    /// Reads one event.
    pub fn event(&mut self, event: &Event, report: &mut Report) -> Result<EventKind, NotTheFormat> {
        let read: StreamEvent<'_> = json(&event.data)?;
        match read.kind.as_str() {
            "error" => {
                report.error = read.error.map(ProviderError::message);
                return Ok(EventKind::Error);
            }
            "message_stop" => {
                report.complete = self.has_stop_reason;
                return Ok(EventKind::Terminator);
            }
            _ => {}
        }
        if let Some(message) = read.message {
            report.named(message.model.as_ref().map(Text::as_str));
            self.has_stop_reason |= message.stop_reason.is_some();
            self.take(message.usage, report);
        }
        self.take(read.usage, report);
        for block in [read.content_block, read.delta].iter().flatten() {
            self.has_stop_reason |= block.stop_reason.is_some();
            read_block(block, report);
        }
        Ok(EventKind::Content)
    }

    fn take(&mut self, usage: Option<Anthropic>, report: &mut Report) {
        let Some(usage) = usage else { return };
        self.usage.update(usage);
        report.usage = self.usage.normal();
    }
}

fn read_block(block: &Block<'_>, report: &mut Report) {
    if let Some(text) = &block.text {
        report.text(text.as_str());
    }
    for hidden in [&block.thinking, &block.partial_json].into_iter().flatten() {
        report.hidden(hidden.as_str());
    }
    if let (Some(name), Some(input)) = (&block.name, block.input) {
        report.tool(name.as_str(), input.get());
    }
}
