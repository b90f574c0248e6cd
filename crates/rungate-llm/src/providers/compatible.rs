//! Providers that speak OpenAI's wire format, one row each.
//!
//! A row lists only what the provider documents. Some speak Anthropic's format for `/messages` as well and are then asked
//! in it directly; the others are asked through a bridge.

use rungate_core::operation::{Dialect, Operation};

use crate::provider::{Auth, Provider};
use crate::providers::openai;

/// What the rows have in common.
const HOSTED: Provider = Provider {
    id: "",
    name: "",
    base_url: None,
    auth: Auth::Bearer,
    secret_optional: false,
    dialect: Dialect::OpenAi,
    operations: &[],
    default_headers: &[],
    any_model: false,
    stream_usage: true,
    completion_tokens: false,
};

/// What the operator runs: any model, and often no credential.
const SELF_HOSTED: Provider = Provider { secret_optional: true, any_model: true, ..HOSTED };

/// <https://ai.google.dev/gemini-api/docs/openai>
pub(super) const GEMINI: Provider = Provider {
    id: "gemini",
    name: "Google Gemini",
    base_url: Some("https://generativelanguage.googleapis.com/v1beta/openai"),
    operations: &[Operation::ChatCompletions, Operation::Embeddings, Operation::ImageGenerations],
    completion_tokens: true,
    ..HOSTED
};

/// <https://openrouter.ai/docs/api-reference/overview>
pub(super) const OPENROUTER: Provider = Provider {
    id: "openrouter",
    name: "OpenRouter",
    base_url: Some("https://openrouter.ai/api/v1"),
    operations: &[
        Operation::ChatCompletions,
        Operation::Completions,
        Operation::Embeddings,
        Operation::Responses,
        Operation::Messages,
    ],
    completion_tokens: true,
    ..HOSTED
};

/// <https://docs.mistral.ai/api>
pub(super) const MISTRAL: Provider = Provider {
    id: "mistral",
    name: "Mistral AI",
    base_url: Some("https://api.mistral.ai/v1"),
    operations: &[
        Operation::ChatCompletions,
        Operation::Embeddings,
        Operation::Moderations,
        Operation::Speech,
        Operation::Transcriptions,
    ],
    // Refused with 422; the last chunk of a stream has the usage anyway.
    stream_usage: false,
    ..HOSTED
};

/// <https://console.groq.com/docs/api-reference>
pub(super) const GROQ: Provider = Provider {
    id: "groq",
    name: "Groq",
    base_url: Some("https://api.groq.com/openai/v1"),
    operations: &[
        Operation::ChatCompletions,
        Operation::Responses,
        Operation::Speech,
        Operation::Transcriptions,
        Operation::Translations,
    ],
    completion_tokens: true,
    ..HOSTED
};

/// <https://docs.x.ai/docs/api-reference>
pub(super) const XAI: Provider = Provider {
    id: "xai",
    name: "xAI",
    base_url: Some("https://api.x.ai/v1"),
    operations: &[
        Operation::ChatCompletions,
        Operation::Completions,
        Operation::Responses,
        Operation::ResponseGet,
        Operation::ResponseDelete,
        Operation::ImageGenerations,
        Operation::ImageEdits,
    ],
    completion_tokens: true,
    ..HOSTED
};

/// <https://api-docs.deepseek.com>
pub(super) const DEEPSEEK: Provider = Provider {
    id: "deepseek",
    name: "DeepSeek",
    base_url: Some("https://api.deepseek.com/v1"),
    operations: &[Operation::ChatCompletions],
    ..HOSTED
};

/// <https://docs.together.ai/docs/inference/openai-compatibility>
pub(super) const TOGETHER: Provider = Provider {
    id: "together",
    name: "Together AI",
    base_url: Some("https://api.together.xyz/v1"),
    operations: &[
        Operation::ChatCompletions,
        Operation::Completions,
        Operation::Embeddings,
        Operation::ImageGenerations,
        Operation::Speech,
        Operation::Transcriptions,
        Operation::Translations,
    ],
    // Not documented; the last chunk of a stream has the usage anyway.
    stream_usage: false,
    ..HOSTED
};

/// <https://docs.fireworks.ai/tools-sdks/openai-compatibility>
pub(super) const FIREWORKS: Provider = Provider {
    id: "fireworks",
    name: "Fireworks AI",
    base_url: Some("https://api.fireworks.ai/inference/v1"),
    operations: &[
        Operation::ChatCompletions,
        Operation::Completions,
        Operation::Embeddings,
        Operation::Responses,
        Operation::ResponseGet,
        Operation::ResponseDelete,
        Operation::Messages,
    ],
    // Not needed: the last chunk of a stream has the usage.
    stream_usage: false,
    ..HOSTED
};

/// <https://docs.ollama.com/api/openai-compatibility>
pub(super) const OLLAMA: Provider = Provider {
    id: "ollama",
    name: "Ollama",
    base_url: Some("http://127.0.0.1:11434/v1"),
    operations: &[
        Operation::ChatCompletions,
        Operation::Completions,
        Operation::Embeddings,
        Operation::Responses,
        Operation::Messages,
        Operation::Speech,
        Operation::Transcriptions,
    ],
    ..SELF_HOSTED
};

/// <https://docs.vllm.ai/en/stable/serving/online_serving.html>
pub(super) const VLLM: Provider = Provider {
    id: "vllm",
    name: "vLLM",
    operations: &[
        Operation::ChatCompletions,
        Operation::Completions,
        Operation::Embeddings,
        Operation::Responses,
        Operation::ResponseGet,
        Operation::ResponseCancel,
        Operation::Messages,
        Operation::CountTokens,
        Operation::Transcriptions,
        Operation::Translations,
    ],
    completion_tokens: true,
    ..SELF_HOSTED
};

/// Any server that speaks OpenAI's wire format.
pub(super) const CUSTOM: Provider = Provider {
    id: "custom",
    name: "Custom (OpenAI-compatible)",
    operations: openai::OPERATIONS,
    ..SELF_HOSTED
};
