//! What an answer used, in one normal form for all providers.

use serde::{Deserialize, Serialize};

/// Tokens and other units of one answer.
///
/// The counts nest the way OpenAI counts: `input` is *all* input, of which `cached_input` was read from the
/// provider's cache and `cache_write` was written to it; `output` is *all* output, of which `reasoning` was not
/// shown. Providers that count apart (Anthropic's `input_tokens` leaves cached ones out) are added up by their
/// reader, so that the same sum is never taken twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// All input tokens, cached ones and audio included.
    pub input: u64,
    /// All output tokens, reasoning and audio included.
    pub output: u64,
    /// Input tokens read from the provider's prompt cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_input: u64,
    /// Input tokens written to the provider's prompt cache, for the default lifetime (five minutes at Anthropic).
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    /// Input tokens written to the provider's prompt cache for an hour; not part of `cache_write`.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h: u64,
    /// Output tokens spent on reasoning.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning: u64,
    /// Input tokens that were audio.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_input: u64,
    /// Output tokens that were audio.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_output: u64,
    /// Images made.
    #[serde(skip_serializing_if = "is_zero")]
    pub images: u64,
    /// Characters read aloud.
    #[serde(skip_serializing_if = "is_zero")]
    pub characters: u64,
    /// Milliseconds of audio transcribed.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Where the counts come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageSource {
    /// The provider said so.
    Reported,
    /// Counted from bytes, because the provider said nothing.
    Estimated,
    /// Nothing is known.
    #[default]
    Unknown,
}
