//! Anthropic.

use rungate_core::operation::{Dialect, Operation};

use crate::provider::{Auth, Provider};

/// <https://docs.anthropic.com/en/api/messages>
pub(super) const ANTHROPIC: Provider = Provider {
    id: "anthropic",
    name: "Anthropic",
    base_url: Some("https://api.anthropic.com/v1"),
    auth: Auth::ApiKeyHeader,
    secret_optional: false,
    dialect: Dialect::Anthropic,
    operations: &[Operation::Messages, Operation::CountTokens],
    // Requests without a version are refused.
    default_headers: &[("anthropic-version", "2023-06-01")],
    any_model: false,
    // Usage is part of every stream; there is nothing to ask for.
    stream_usage: false,
    // The bridge heeds it.
    completion_tokens: true,
};
