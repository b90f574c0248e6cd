//! Anthropic messages.

use serde::de::MapAccess;

use super::loose::{self, Any, Field, Object, Text};
use super::usage::Anthropic;
use super::{EventKind, NotTheFormat, Report, error_message};

/// What a stream has said so far.
#[derive(Debug, Default)]
pub struct Counts {
    usage: Anthropic,
    has_stop_reason: bool,
}

#[derive(Default)]
struct Message<'de> {
    model: Option<Text<'de>>,
    content: Option<Vec<Block<'de>>>,
    usage: Option<Anthropic>,
    stop_reason: Option<Text<'de>>,
    /// A count of tokens has nothing but this.
    input_tokens: Option<u64>,
}

/// A content block or a delta of one: both name their text alike.
#[derive(Default)]
struct Block<'de> {
    kind: Option<Text<'de>>,
    text: Option<Text<'de>>,
    thinking: Option<Text<'de>>,
    name: Option<Text<'de>>,
    input: Option<Any<'de>>,
    partial_json: Option<Text<'de>>,
    stop_reason: Option<Text<'de>>,
}

#[derive(Default)]
struct StreamEvent<'de> {
    kind: Option<Text<'de>>,
    message: Option<Message<'de>>,
    content_block: Option<Block<'de>>,
    delta: Option<Block<'de>>,
    usage: Option<Anthropic>,
    error: Option<Any<'de>>,
}

impl<'de> Object<'de> for Message<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "model" => value.text(&mut self.model),
            "content" => value.list(&mut self.content),
            "usage" => value.object(&mut self.usage),
            "stop_reason" => value.text(&mut self.stop_reason),
            "input_tokens" => value.count(&mut self.input_tokens),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for Block<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "type" => value.text(&mut self.kind),
            "text" => value.text(&mut self.text),
            "thinking" => value.text(&mut self.thinking),
            "name" => value.text(&mut self.name),
            "input" => value.any(&mut self.input),
            "partial_json" => value.text(&mut self.partial_json),
            "stop_reason" => value.text(&mut self.stop_reason),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for StreamEvent<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "type" => value.text(&mut self.kind),
            "message" => value.object(&mut self.message),
            "content_block" => value.object(&mut self.content_block),
            "delta" => value.object(&mut self.delta),
            "usage" => value.object(&mut self.usage),
            "error" => value.any(&mut self.error),
            _ => value.skip(),
        }
    }
}

/// Reads a whole answer: a message, or a count of tokens.
pub fn whole(body: &str, report: &mut Report) -> Result<(), NotTheFormat> {
    let message: Message<'_> = loose::object(body)?;
    if message.usage.is_none() && message.content.is_none() && message.input_tokens.is_none() {
        return Err(NotTheFormat);
    }
    report.named(message.model);
    message.content.iter().flatten().for_each(|block| block.read(report));
    report.usage = message.usage.as_ref().and_then(Anthropic::normal);
    Ok(())
}

impl Counts {
    /// Reads one event.
    pub fn event(&mut self, name: &str, data: &str, report: &mut Report) -> Result<EventKind, NotTheFormat> {
        let read: StreamEvent<'_> = loose::object(data)?;
        let kind = read.kind.map_or(name.into(), Text::decode);
        match &*kind {
            "message_stop" => {
                report.complete = self.has_stop_reason;
                return Ok(EventKind::Terminator);
            }
            "message_start" | "message_delta" | "content_block_start" | "content_block_delta" => {}
            "error" => {
                report.error = Some(read.error.and_then(error_message).unwrap_or_default());
                return Ok(EventKind::Error);
            }
            _ if read.error.is_some() => {
                report.error = read.error.and_then(error_message);
                return Ok(if report.error.is_some() { EventKind::Error } else { EventKind::Content });
            }
            "" => return Err(NotTheFormat),
            _ => return Ok(EventKind::Content),
        }
        if let Some(message) = read.message {
            report.named(message.model);
            self.has_stop_reason |= message.stop_reason.is_some();
            self.take(message.usage, report);
        }
        self.take(read.usage, report);
        if let Some(block) = read.content_block {
            // Its input is empty and comes in deltas.
            Block { input: None, ..block }.read(report);
        }
        if let Some(delta) = read.delta {
            self.has_stop_reason |= delta.stop_reason.is_some();
            delta.read(report);
        }
        Ok(EventKind::Content)
    }

    fn take(&mut self, usage: Option<Anthropic>, report: &mut Report) {
        let Some(usage) = usage else { return };
        self.usage.update(usage);
        report.usage = self.usage.normal();
    }
}

impl Block<'_> {
    fn read(&self, report: &mut Report) {
        report.text(self.text);
        report.hidden(self.thinking);
        report.hidden(self.partial_json);
        // Tools that the provider runs itself are no calls that the answer ends with.
        match self.name.filter(|_| self.kind.is_some_and(|kind| kind.is("tool_use"))) {
            Some(name) => report.tool(name, self.input),
            None => report.arguments(self.input),
        }
    }
}
