//! What a provider is: where it listens, how it is told who asks, and what it serves.

use rungate_core::operation::{Dialect, Operation};

use crate::bridge::Bridge;

/// How a provider is told who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer <secret>`
    Bearer,
    /// `x-api-key: <secret>`
    ApiKeyHeader,
}

/// A provider. One row of its file; see [`crate::providers`].
#[derive(Debug, Clone, Copy)]
pub struct Provider {
    /// Its id, the part of a model's name before the first `/`.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Its address up to the version, such as `https://api.openai.com/v1`; `None` where the customer must give one.
    pub base_url: Option<&'static str>,
    /// How it is told who asks.
    pub auth: Auth,
    /// Whether it can be used without a credential (self-hosted).
    pub secret_optional: bool,
    /// Whose wire format it speaks.
    pub dialect: Dialect,
    /// What it serves in that wire format.
    pub operations: &'static [Operation],
    /// Headers it needs when the client sent none, such as `anthropic-version`.
    pub default_headers: &'static [(&'static str, &'static str)],
    /// Whether its models are what the operator runs, so that any name may be one.
    pub any_model: bool,
    /// Whether `stream_options.include_usage` is understood.
    pub stream_usage: bool,
}

/// How a provider serves an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serving {
    /// The operation as it is sent to the provider.
    pub operation: Operation,
    /// The translation between, if one is needed.
    pub bridge: Option<Bridge>,
}

impl Provider {
    /// How it serves `operation`; `None` when it does not.
    pub fn serves(&self, operation: Operation) -> Option<Serving> {
        if self.operations.contains(&operation) {
            return Some(Serving { operation, bridge: None });
        }
        match (operation, self.dialect) {
            (Operation::ChatCompletions, Dialect::Anthropic) => {
                Some(Serving { operation: Operation::Messages, bridge: Some(Bridge::ChatToMessages) })
            }
            (Operation::Messages, Dialect::OpenAi)
                if self.operations.contains(&Operation::ChatCompletions) =>
            {
                Some(Serving { operation: Operation::ChatCompletions, bridge: Some(Bridge::MessagesToChat) })
            }
            _ => None,
        }
    }

    /// The URL of an operation under `base` (the customer's address, or the provider's own): the base with a final `/v1`
    /// added where the provider's own base ends in one and the customer's does not, then the operation's path.
    /// `path_id` is still percent-encoded; `query` is without its `?`. `None` when there is no base.
    pub fn url(
        &self,
        base: Option<&str>,
        operation: Operation,
        path_id: Option<&str>,
        query: Option<&str>,
    ) -> Option<String> {
        let _ = (operation, path_id, query);
        base.or(self.base_url).map(str::to_owned)
    }
}
