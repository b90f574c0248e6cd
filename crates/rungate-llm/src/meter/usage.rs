//! Usage as providers report it, brought into one normal form.
//!
//! OpenAI's counts nest: `prompt_tokens` include cached and audio tokens, `completion_tokens` include reasoning.
//! Anthropic's `input_tokens` leave out what was read from and written to the cache, so those are added up. xAI reports
//! reasoning tokens beside `completion_tokens`, and Gemini's compatible endpoint leaves thinking out of them while
//! `total_tokens` counts it: where the total is larger than its parts, the difference is output.

use rungate_core::usage::Usage;
use serde::Deserialize;

/// OpenAI's usage, in the spelling of chat (`prompt_tokens`) or of responses (`input_tokens`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OpenAi {
    #[serde(alias = "input_tokens")]
    prompt_tokens: Option<u64>,
    #[serde(alias = "output_tokens")]
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    #[serde(alias = "input_tokens_details", alias = "input_token_details")]
    prompt_tokens_details: Option<InputDetails>,
    #[serde(alias = "output_tokens_details", alias = "output_token_details")]
    completion_tokens_details: Option<OutputDetails>,
    /// DeepSeek's own name for cached tokens.
    prompt_cache_hit_tokens: Option<u64>,
    /// Of transcriptions that are charged by time.
    seconds: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the names are the provider's")]
struct InputDetails {
    cached_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    /// OpenRouter passes on what Anthropic models wrote to their cache.
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

impl OpenAi {
    /// The normal form; `None` when nothing was counted.
    pub fn normal(&self) -> Option<Usage> {
        if let Some(seconds) = self.seconds.filter(|seconds| *seconds >= 0.0) {
            return Some(Usage { audio_ms: milliseconds(seconds), ..Usage::default() });
        }
        if self.prompt_tokens.is_none() && self.completion_tokens.is_none() && self.total_tokens.is_none() {
            return None;
        }
        let input = self.prompt_tokens.or(self.total_tokens).unwrap_or(0);
        let mut output = self.completion_tokens.unwrap_or(0);
        // Embeddings report a total and no output: there the total is the input.
        if let Some(total) = self.total_tokens.filter(|_| self.completion_tokens.is_some()) {
            output = output.max(total.saturating_sub(input));
        }
        let input_details = self.prompt_tokens_details.as_ref();
        let output_details = self.completion_tokens_details.as_ref();
        let cached = input_details.and_then(|details| details.cached_tokens).or(self.prompt_cache_hit_tokens);
        Some(Usage {
            input,
            output,
            cached_input: cached.unwrap_or(0).min(input),
            cache_write: input_details.and_then(|details| details.cache_write_tokens).unwrap_or(0),
            reasoning: output_details.and_then(|details| details.reasoning_tokens).unwrap_or(0),
            audio_input: input_details.and_then(|details| details.audio_tokens).unwrap_or(0),
            audio_output: output_details.and_then(|details| details.audio_tokens).unwrap_or(0),
            ..Usage::default()
        })
    }
}

/// Anthropic's usage. In a stream it comes in parts, each of which holds the latest of what it names.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct Anthropic {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_1h_input_tokens: u64,
}

impl Anthropic {
    /// Takes over what a later part names.
    pub fn update(&mut self, later: Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.cache_read_input_tokens = later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens =
            later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        if later.cache_creation.is_some() {
            self.cache_creation = later.cache_creation;
        }
    }

    /// The normal form; `None` when nothing was counted.
    pub fn normal(&self) -> Option<Usage> {
        self.input_tokens.or(self.output_tokens)?;
        let read = self.cache_read_input_tokens.unwrap_or(0);
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let hour = self
            .cache_creation
            .as_ref()
            .map_or(0, |creation| creation.ephemeral_1h_input_tokens)
            .min(written);
        Some(Usage {
            input: self.input_tokens.unwrap_or(0) + read + written,
            output: self.output_tokens.unwrap_or(0),
            cached_input: read,
            cache_write: written - hour,
            cache_write_1h: hour,
            ..Usage::default()
        })
    }
}

/// Whole milliseconds of a duration in seconds, rounded up.
pub fn milliseconds(seconds: f64) -> u64 {
    std::time::Duration::try_from_secs_f64(seconds)
        .map_or(0, |duration| u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}
