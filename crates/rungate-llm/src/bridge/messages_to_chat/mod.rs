//! The client speaks Anthropic messages, the provider OpenAI chat completions.

pub(super) mod answer;
mod conversation;
pub(super) mod error;
pub(super) mod request;
pub(super) mod stream;
