//! The client speaks OpenAI chat completions, the provider Anthropic messages.

pub(super) mod answer;
mod conversation;
pub(super) mod error;
pub(super) mod request;
pub(super) mod stream;
