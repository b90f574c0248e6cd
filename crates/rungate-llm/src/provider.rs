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
#[expect(clippy::struct_excessive_bools, reason = "each says one thing that a provider does or does not")]
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
    /// Whether it documents to heed `max_completion_tokens`; all heed `max_tokens`.
    pub completion_tokens: bool,
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

    /// The URL of an operation under `base` (the customer's address, or the provider's own), with a `/v1` where the customer left it out, then the
    /// operation's path. `path_id` is still percent-encoded; `query` is without its `?`. `None` when there is no base, or no
    /// id where the operation needs one.
    pub fn url(
        &self,
        base: Option<&str>,
        operation: Operation,
        path_id: Option<&str>,
        query: Option<&str>,
    ) -> Option<String> {
        let mut url = self.root(base)?;
        let (path, action) = path(operation);
        url.push_str(path);
        if let Some(action) = action {
            url.push('/');
            url.push_str(path_id?);
            url.push_str(action);
        }
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            url.push('?');
            url.push_str(query);
        }
        Some(url)
    }

    /// The URL that lists the provider's models, which a provider key is verified with.
    pub fn models_url(&self, base: Option<&str>) -> Option<String> {
        self.root(base).map(|root| root + "/models")
    }

    /// The address that paths are put after: without trailing slashes, and with a `/v1` where the customer left it out.
    ///
    /// The customer left it out when the provider's own base ends in `/v1` (or it has none) and no segment of the address
    /// is a version: `https://proxy.example/team/v4` and `https://host.example/v1beta/openai` are taken as they are.
    fn root(&self, base: Option<&str>) -> Option<String> {
        let Some(base) = base.map(|base| base.trim().trim_end_matches('/')).filter(|base| !base.is_empty())
        else {
            return self.base_url.map(str::to_owned);
        };
        let versioned = self.base_url.is_none_or(|own| own.ends_with("/v1"));
        let path = base.split_once("://").map_or(base, |(_, rest)| rest).split('/').skip(1);
        if versioned && !path.into_iter().any(is_version) {
            return Some(format!("{base}/v1"));
        }
        Some(base.to_owned())
    }
}

/// `v1`, `v4`, `v1beta`
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// The path of an operation after the base, and what follows the id where it has one.
const fn path(operation: Operation) -> (&'static str, Option<&'static str>) {
    match operation {
        Operation::ChatCompletions => ("/chat/completions", None),
        Operation::Completions => ("/completions", None),
        Operation::Embeddings => ("/embeddings", None),
        Operation::Moderations => ("/moderations", None),
        Operation::Responses => ("/responses", None),
        Operation::ResponseGet | Operation::ResponseDelete => ("/responses", Some("")),
        Operation::ResponseCancel => ("/responses", Some("/cancel")),
        Operation::ResponseInputItems => ("/responses", Some("/input_items")),
        Operation::Messages => ("/messages", None),
        Operation::CountTokens => ("/messages/count_tokens", None),
        Operation::ImageGenerations => ("/images/generations", None),
        Operation::ImageEdits => ("/images/edits", None),
        Operation::ImageVariations => ("/images/variations", None),
        Operation::Speech => ("/audio/speech", None),
        Operation::Transcriptions => ("/audio/transcriptions", None),
        Operation::Translations => ("/audio/translations", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::find;

    fn chat_url(provider: &str, base: Option<&str>) -> Option<String> {
        find(provider).unwrap().url(base, Operation::ChatCompletions, None, None)
    }

    #[test]
    fn a_base_is_taken_with_and_without_its_version() {
        for (provider, base, url) in [
            ("openai", None, "https://api.openai.com/v1/chat/completions"),
            ("openai", Some("https://eu.example"), "https://eu.example/v1/chat/completions"),
            ("openai", Some("https://eu.example/v1/"), "https://eu.example/v1/chat/completions"),
            ("openai", Some("https://eu.example/a//"), "https://eu.example/a/v1/chat/completions"),
            ("openai", Some(""), "https://api.openai.com/v1/chat/completions"),
            ("custom", Some("http://10.0.0.1:8000"), "http://10.0.0.1:8000/v1/chat/completions"),
            ("custom", Some("https://h.example/paas/v4"), "https://h.example/paas/v4/chat/completions"),
            (
                "custom",
                Some("https://h.example/v1beta/openai/"),
                "https://h.example/v1beta/openai/chat/completions",
            ),
            ("custom", Some("https://v1.example"), "https://v1.example/v1/chat/completions"),
            ("gemini", None, "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"),
            ("gemini", Some("https://g.example/x/"), "https://g.example/x/chat/completions"),
            ("ollama", Some("http://127.0.0.1:9/v1"), "http://127.0.0.1:9/v1/chat/completions"),
        ] {
            assert_eq!(chat_url(provider, base).as_deref(), Some(url), "{provider} {base:?}");
        }
        assert_eq!(chat_url("custom", None), None);
        assert_eq!(chat_url("vllm", None), None);
    }

    #[test]
    fn ids_and_queries_stay_as_they_were_sent() {
        let openai = find("openai").unwrap();
        let url = |operation, id, query| openai.url(None, operation, id, query);
        assert_eq!(
            url(Operation::ResponseCancel, Some("resp%2F1"), None).as_deref(),
            Some("https://api.openai.com/v1/responses/resp%2F1/cancel")
        );
        assert_eq!(
            url(Operation::ResponseGet, Some("resp_1"), Some("stream=true&a=%20")).as_deref(),
            Some("https://api.openai.com/v1/responses/resp_1?stream=true&a=%20")
        );
        assert_eq!(
            url(Operation::Responses, None, Some("")).as_deref(),
            Some("https://api.openai.com/v1/responses")
        );
        assert_eq!(url(Operation::ResponseGet, None, None), None, "an id is needed");
    }

    #[test]
    fn a_dialect_that_is_not_spoken_is_bridged() {
        let bridge = |provider: &str, operation| find(provider).unwrap().serves(operation);
        assert_eq!(
            bridge("anthropic", Operation::ChatCompletions),
            Some(Serving { operation: Operation::Messages, bridge: Some(Bridge::ChatToMessages) })
        );
        assert_eq!(
            bridge("groq", Operation::Messages),
            Some(Serving { operation: Operation::ChatCompletions, bridge: Some(Bridge::MessagesToChat) })
        );
        assert_eq!(
            bridge("vllm", Operation::Messages),
            Some(Serving { operation: Operation::Messages, bridge: None })
        );
        assert_eq!(bridge("anthropic", Operation::Embeddings), None);
        assert_eq!(bridge("groq", Operation::CountTokens), None);
    }
}
