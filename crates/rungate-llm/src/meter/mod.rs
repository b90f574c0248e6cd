//! Reads from an answer what it used and whether it is complete. Each upstream wire format is one file.
//!
//! Structs borrow from the answer and skip what they do not need: no tree is built for an event of a stream.

mod chat;
mod messages;
mod responses;
mod units;
mod usage;

use rungate_core::operation::Operation;
use rungate_core::usage::Usage;
use serde::Deserialize;

use crate::request::excerpt;
use crate::sse::Event;

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
        match &self.format {
            Format::Chat(_) => chat::whole(body, &mut self.report)?,
            Format::Responses => responses::whole(body, &mut self.report)?,
            Format::Messages(_) => messages::whole(body, &mut self.report)?,
            Format::Units(operation) => units::whole(*operation, content_type, body, &mut self.report)?,
        }
        self.report.complete = true;
        Ok(())
    }

    /// Reads one event of a stream. Events after the terminator are of no meaning; do not give them.
    pub fn event(&mut self, event: &Event) -> Result<EventKind, NotTheFormat> {
        if event.data.is_empty() {
            // A comment, or a heartbeat without data.
            return Ok(EventKind::Content);
        }
        match &mut self.format {
            Format::Chat(choices) => choices.event(event, &mut self.report),
            Format::Responses => responses::event(event, &mut self.report),
            Format::Messages(counts) => counts.event(event, &mut self.report),
            Format::Units(_) => units::event(event, &mut self.report),
        }
    }

    /// What has been read so far.
    pub const fn report(&self) -> &Report {
        &self.report
    }
}

impl Report {
    /// Adds generated text that people read.
    fn text(&mut self, text: &str) {
        self.output_text_bytes += text.len() as u64;
        excerpt::extend(&mut self.preview, text);
    }

    /// Adds generated text that is not shown: tool arguments, reasoning.
    const fn hidden(&mut self, text: &str) {
        self.output_text_bytes += text.len() as u64;
    }

    /// Shows a tool call where there is no text.
    fn tool(&mut self, name: &str, arguments: &str) {
        self.hidden(arguments);
        if self.preview.is_empty() {
            excerpt::extend(&mut self.preview, &format!("→ {name}({arguments})"));
        }
    }

    fn named(&mut self, model: Option<&str>) {
        if self.model.is_none() {
            self.model = model.filter(|model| !model.is_empty()).map(str::to_owned);
        }
    }
}

/// Reads JSON that a provider sent.
fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, NotTheFormat> {
    serde_json::from_slice(bytes).map_err(|_| NotTheFormat)
}

/// Text that borrows where it can.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

impl Text<'_> {
    fn as_str(&self) -> &str {
        &self.0
    }
}

/// An error inside a stream or a body: an object with a message, or a bare text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ProviderError {
    Object {
        #[serde(default)]
        message: Option<String>,
    },
    Text(String),
}

impl ProviderError {
    fn message(self) -> String {
        match self {
            Self::Object { message } => message.unwrap_or_default(),
            Self::Text(text) => text,
        }
    }
}
