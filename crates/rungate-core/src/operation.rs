//! The operations of the data plane: what a client may ask of a model, one per route.

use serde::{Deserialize, Serialize};

/// One route of the data plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/responses`
    Responses,
    /// `GET /v1/responses/{id}`
    ResponseGet,
    /// `DELETE /v1/responses/{id}`
    ResponseDelete,
    /// `POST /v1/responses/{id}/cancel`
    ResponseCancel,
    /// `GET /v1/responses/{id}/input_items`
    ResponseInputItems,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `POST /v1/images/generations`
    ImageGenerations,
    /// `POST /v1/images/edits`
    ImageEdits,
    /// `POST /v1/images/variations`
    ImageVariations,
    /// `POST /v1/audio/speech`
    Speech,
    /// `POST /v1/audio/transcriptions`
    Transcriptions,
    /// `POST /v1/audio/translations`
    Translations,
}

/// The family an operation is logged and counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Chat completions.
    Chat,
    /// Legacy text completions.
    Completion,
    /// The Responses API.
    Response,
    /// Anthropic messages.
    Message,
    /// Embeddings.
    Embedding,
    /// Images made, edited or varied.
    Image,
    /// Speech, transcription, translation.
    Audio,
    /// Moderation.
    Moderation,
    /// A Workflow Agent called.
    Workflow,
    /// A paid endpoint called.
    Paid,
}

/// Whose wire format a client speaks, which decides the shape of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI.
    OpenAi,
    /// Anthropic.
    Anthropic,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 17] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Moderations,
        Self::Responses,
        Self::ResponseGet,
        Self::ResponseDelete,
        Self::ResponseCancel,
        Self::ResponseInputItems,
        Self::Messages,
        Self::CountTokens,
        Self::ImageGenerations,
        Self::ImageEdits,
        Self::ImageVariations,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
    ];

    /// The family it is logged under.
    pub const fn kind(self) -> Kind {
        match self {
            Self::ChatCompletions => Kind::Chat,
            Self::Completions => Kind::Completion,
            Self::Embeddings => Kind::Embedding,
            Self::Moderations => Kind::Moderation,
            Self::Responses
            | Self::ResponseGet
            | Self::ResponseDelete
            | Self::ResponseCancel
            | Self::ResponseInputItems => Kind::Response,
            Self::Messages | Self::CountTokens => Kind::Message,
            Self::ImageGenerations | Self::ImageEdits | Self::ImageVariations => Kind::Image,
            Self::Speech | Self::Transcriptions | Self::Translations => Kind::Audio,
        }
    }

    /// Whose wire format its request, answer and errors have.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            _ => Dialect::OpenAi,
        }
    }

    /// Whether a body may be `multipart/form-data`.
    pub const fn allows_multipart(self) -> bool {
        matches!(self, Self::ImageEdits | Self::ImageVariations | Self::Transcriptions | Self::Translations)
    }

    /// Whether a request of it has no body.
    pub const fn has_no_body(self) -> bool {
        matches!(
            self,
            Self::ResponseGet | Self::ResponseDelete | Self::ResponseCancel | Self::ResponseInputItems
        )
    }

    /// Whether it costs nothing, whatever its answer says it used: tokens counted, or a stored answer that was charged
    /// when it was made.
    pub const fn is_free(self) -> bool {
        self.has_no_body() || matches!(self, Self::CountTokens)
    }

    /// The largest request body, in bytes.
    pub const fn max_body_bytes(self) -> usize {
        match self.kind() {
            Kind::Image | Kind::Audio => 64 << 20,
            _ => 32 << 20,
        }
    }
}

impl Kind {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completion => "completion",
            Self::Response => "response",
            Self::Message => "message",
            Self::Embedding => "embedding",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Moderation => "moderation",
            Self::Workflow => "workflow",
            Self::Paid => "paid",
        }
    }
}
