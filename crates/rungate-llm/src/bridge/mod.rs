//! Translates between wire formats, where client and provider speak different ones. Each pair and direction is a folder
//! with the same files: `request`, `answer`, `error`, `stream`.
//!
//! What one format has and the other has not is refused when leaving it out would change what is answered, and else left
//! out and named, so that nothing is lost in silence.

mod chat_to_messages;
mod common;
mod messages_to_chat;

use bytes::Bytes;

use crate::sse::Event;

/// A translation: whose wire format the client speaks, and whose the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bridge {
    /// The client speaks OpenAI chat completions, the provider Anthropic messages.
    ChatToMessages,
    /// The client speaks Anthropic messages, the provider OpenAI chat completions.
    MessagesToChat,
}

/// A translated request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslatedRequest {
    /// The body in the provider's wire format.
    pub body: Bytes,
    /// Fields left out because the provider has no equivalent and the meaning stays: warnings `parameter_dropped`.
    /// Each is named once, without indices (`messages[].name`), and is fit for a header: at most 64 letters, digits and
    /// `_-.[]`; at most 25 of them, the last of which is `more` when there are more.
    pub dropped: Vec<String>,
}

/// Why a request cannot be translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// A field without an equivalent that changes the meaning.
    #[error("{field} is not supported by this provider: {reason}")]
    Unsupported {
        /// The field.
        field: String,
        /// Why.
        reason: String,
    },
    /// A field of the wrong type or shape.
    #[error("{field}: {rule}")]
    Invalid {
        /// The field, as a path such as `messages[2].content`.
        field: String,
        /// What is allowed.
        rule: String,
    },
}

/// The provider's answer is not of its wire format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the provider's answer cannot be translated: {0}")]
pub struct BadAnswer(pub String);

/// What a translated answer needs to know besides the provider's bytes.
#[derive(Debug, Clone)]
pub struct AnswerContext {
    /// The model as the client asked for it; used when the provider names none.
    pub model: String,
    /// Seconds since the Unix epoch, for `created`.
    pub created: i64,
    /// Whether the client asked for the usage of a stream.
    pub include_usage: bool,
}

impl Bridge {
    /// Translates a request body; `model` is the model as the provider calls it. `ask_usage` is whether a provider of
    /// OpenAI's format understands being asked for the usage of a stream; Anthropic's streams tell it anyway.
    pub fn request(
        self,
        body: &[u8],
        model: &str,
        ask_usage: bool,
    ) -> Result<TranslatedRequest, TranslateError> {
        match self {
            Self::ChatToMessages => chat_to_messages::request::translate(body, model),
            Self::MessagesToChat => messages_to_chat::request::translate(body, model, ask_usage),
        }
    }

    /// Translates a whole answer (status 2xx).
    pub fn answer(self, body: &[u8], context: &AnswerContext) -> Result<Bytes, BadAnswer> {
        match self {
            Self::ChatToMessages => chat_to_messages::answer::translate(body, context),
            Self::MessagesToChat => messages_to_chat::answer::translate(body, context),
        }
    }

    /// Translates an error body of the provider into the client's error shape, keeping its message, type and code.
    /// `None` when the body is not an error of the provider's wire format.
    pub fn error(self, status: u16, body: &[u8]) -> Option<Bytes> {
        match self {
            Self::ChatToMessages => chat_to_messages::error::translate(body),
            Self::MessagesToChat => messages_to_chat::error::translate(status, body),
        }
    }

    /// A translator for one stream.
    pub fn stream(self, context: AnswerContext) -> StreamTranslator {
        StreamTranslator(match self {
            Self::ChatToMessages => Stream::ChatToMessages(chat_to_messages::stream::Stream::new(context)),
            Self::MessagesToChat => Stream::MessagesToChat(messages_to_chat::stream::Stream::new(context)),
        })
    }
}

/// Translates the events of one stream.
#[derive(Debug)]
pub struct StreamTranslator(Stream);

#[derive(Debug)]
enum Stream {
    ChatToMessages(chat_to_messages::stream::Stream),
    MessagesToChat(messages_to_chat::stream::Stream),
}

impl StreamTranslator {
    /// Translates one event: appends the bytes of the client's events (none, one or several) to `out`. The provider's
    /// terminator gives the client's terminator; one that comes before any reason to stop is a [`BadAnswer`], because
    /// the answer is not whole. After an error nothing is to be translated any more.
    pub fn event(&mut self, event: &Event, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        // A comment or a bare `event:` line keeps the connection open and says nothing.
        if event.data.is_empty() {
            return Ok(());
        }
        match &mut self.0 {
            Stream::ChatToMessages(stream) => stream.event(&event.data, out),
            Stream::MessagesToChat(stream) => stream.event(&event.data, out),
        }
    }
}
