//! Reads from an answer what it used and whether it is complete. Each upstream wire format is one file.
//!
//! Structs borrow from the answer and skip what they do not need: no tree is built for an event of a stream. What is odd
//! about an answer and not needed does not make it unreadable; `loose` sees to that.

mod chat;
mod loose;
mod messages;
mod responses;
mod units;
mod usage;

use std::borrow::Cow;

use rungate_core::operation::Operation;
use rungate_core::usage::Usage;
use serde::de::MapAccess;

use crate::request::excerpt;
use crate::sse::Event;
use loose::{Any, Field, Object, Text};

/// What an answer said of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What the provider says was used; `None` when it says nothing.
    pub usage: Option<Usage>,
    /// The model as the answer names it.
    pub model: Option<String>,
    /// The id of a stored response (`resp_…`).
    pub response_id: Option<String>,
    /// The first 200 characters of the answer's text.
    pub preview: String,
    /// Bytes of generated text, tool arguments and reasoning included: what an estimate is made from.
    pub output_text_bytes: u64,
    /// Whether a stream has reached its end in good order: its terminator, and a finish reason on every choice.
    pub complete: bool,
    /// The message of an error event inside the stream.
    pub error: Option<String>,
}

/// What one event of a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Relay it.
    Content,
    /// Holds usage and nothing else (OpenAI's final chunk with empty `choices`): not relayed unless asked for.
    UsageOnly,
    /// The stream's terminator (`[DONE]`, `message_stop`, `response.completed` and its like).
    Terminator,
    /// An error of the provider.
    Error,
}

/// Why an answer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not of the wire format")]
pub struct NotTheFormat;

/// Reads one answer, whole or event by event.
#[derive(Debug)]
pub struct Meter {
    format: Format,
    report: Report,
}

/// The wire format of an answer, with what it must remember between events.
#[derive(Debug)]
enum Format {
    Chat(chat::Choices),
    Responses,
    Messages(messages::Counts),
    Units(Operation),
}

impl Meter {
    /// A meter for an answer to `operation` in the *upstream's* wire format.
    pub fn new(operation: Operation) -> Self {
        let format = match operation {
            Operation::ChatCompletions | Operation::Completions => Format::Chat(chat::Choices::default()),
            Operation::Responses
            | Operation::ResponseGet
            | Operation::ResponseDelete
            | Operation::ResponseCancel
            | Operation::ResponseInputItems => Format::Responses,
            Operation::Messages | Operation::CountTokens => Format::Messages(messages::Counts::default()),
            _ => Format::Units(operation),
        };
        Self { format, report: Report::default() }
    }

    /// Reads a whole body of a success. Content that is not JSON (sound, subtitles) is fine where the operation allows it.
    pub fn whole(&mut self, content_type: Option<&str>, body: &[u8]) -> Result<(), NotTheFormat> {
        let report = &mut self.report;
        match &self.format {
            Format::Chat(_) => chat::whole(&text(body), report)?,
            Format::Responses => responses::whole(&text(body), report)?,
            Format::Messages(_) => messages::whole(&text(body), report)?,
            Format::Units(operation) => units::whole(*operation, content_type, body, report)?,
        }
        report.complete = true;
        Ok(())
    }

    /// Reads one event of a stream. Events after the terminator are of no meaning; do not give them.
    pub fn event(&mut self, event: &Event) -> Result<EventKind, NotTheFormat> {
        let (name, data) = (text(event.name()), text(&event.data));
        if data.trim().is_empty() {
            // A comment, or a heartbeat without data.
            return Ok(EventKind::Content);
        }
        let report = &mut self.report;
        match &mut self.format {
            Format::Chat(choices) => choices.event(&data, report),
            Format::Responses => responses::event(&name, &data, report),
            Format::Messages(counts) => counts.event(&name, &data, report),
            Format::Units(operation) => units::event(*operation, &name, &data, report),
        }
    }

    /// What has been read so far.
    pub const fn report(&self) -> &Report {
        &self.report
    }
}

impl Report {
    /// Adds generated text that people read.
    fn text(&mut self, text: Option<Text<'_>>) {
        if let Some(text) = text {
            self.plain(&text.decode());
        }
    }

    fn plain(&mut self, text: &str) {
        self.output_text_bytes += text.len() as u64;
        excerpt::extend(&mut self.preview, text);
    }

    /// Adds generated text that is not shown: reasoning.
    fn hidden(&mut self, text: Option<Text<'_>>) {
        self.output_text_bytes += text.map_or(0, |text| text.decode().len() as u64);
    }

    /// Adds arguments of a tool: JSON, mostly inside a text.
    fn arguments(&mut self, arguments: Option<Any<'_>>) {
        self.output_text_bytes += arguments.map_or(0, |value| plain(value).len() as u64);
    }

    /// Adds a tool call, and shows it where there is no text.
    fn tool(&mut self, name: Text<'_>, arguments: Option<Any<'_>>) {
        self.arguments(arguments);
        if self.preview.is_empty() {
            let arguments = arguments.map(plain).unwrap_or_default();
            excerpt::extend(&mut self.preview, &format!("→ {}({arguments})", name.decode()));
        }
    }

    fn named(&mut self, model: Option<Text<'_>>) {
        if self.model.is_none() {
            self.model = model.filter(|model| !model.is_empty()).map(|model| model.decode().into_owned());
        }
    }
}

/// The text that was sent, with replacement characters for what is none.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    // Nearly all is sound, which is seen much faster than it is mended.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// A text as it reads, anything else as JSON.
fn plain(value: Any<'_>) -> Cow<'_, str> {
    value.text().map_or(Cow::Borrowed(value.json()), Text::decode)
}

/// The message of an error inside a stream: of an object, or a bare text. `None` when the value says that there is none.
fn error_message(error: Any<'_>) -> Option<String> {
    if matches!(error.json(), "false" | "\"\"" | "null") {
        return None;
    }
    let message = error.object::<ProviderError<'_>>().and_then(|error| error.message);
    let text = plain(message.unwrap_or(error));
    Some(excerpt::of_text(&text).to_owned())
}

#[derive(Default)]
struct ProviderError<'de> {
    message: Option<Any<'de>>,
}

impl<'de> Object<'de> for ProviderError<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "message" => value.any(&mut self.message),
            _ => value.skip(),
        }
    }
}
