//! Reads from an answer what it used and whether it is complete. Each upstream wire format is one file.

use rungate_core::operation::Operation;
use rungate_core::usage::Usage;

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
    operation: Operation,
    choices: u32,
    report: Report,
}

impl Meter {
    /// A meter for an answer to `operation` in the *upstream's* wire format; `choices` is the request's `n`.
    pub fn new(operation: Operation, choices: u32) -> Self {
        Self { operation, choices, report: Report::default() }
    }

    /// Reads a whole body of a success. Content that is not JSON (audio, text) is fine where the operation allows it.
    pub fn whole(&mut self, content_type: Option<&str>, body: &[u8]) -> Result<(), NotTheFormat> {
        let _ = (content_type, body, self.operation, self.choices);
        Ok(())
    }

    /// Reads one event of a stream.
    pub fn event(&mut self, event: &Event) -> Result<EventKind, NotTheFormat> {
        let _ = event;
        Ok(EventKind::Content)
    }

    /// What has been read so far.
    pub const fn report(&self) -> &Report {
        &self.report
    }
}
