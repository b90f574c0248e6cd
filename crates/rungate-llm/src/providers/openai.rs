//! OpenAI, and all operations of its dialect.

use rungate_core::operation::{Dialect, Operation};

use crate::provider::{Auth, Provider};

/// Every operation of OpenAI's wire format.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::ChatCompletions,
    Operation::Completions,
    Operation::Embeddings,
    Operation::Moderations,
    Operation::Responses,
    Operation::ResponseGet,
    Operation::ResponseDelete,
    Operation::ResponseCancel,
    Operation::ResponseInputItems,
    Operation::ImageGenerations,
    Operation::ImageEdits,
    Operation::ImageVariations,
    Operation::Speech,
    Operation::Transcriptions,
    Operation::Translations,
];

/// <https://platform.openai.com/docs/api-reference>
pub(super) const OPENAI: Provider = Provider {
    id: "openai",
    name: "OpenAI",
    base_url: Some("https://api.openai.com/v1"),
    auth: Auth::Bearer,
    secret_optional: false,
    dialect: Dialect::OpenAi,
    operations: OPERATIONS,
    default_headers: &[],
    any_model: false,
    stream_usage: true,
    completion_tokens: true,
};
