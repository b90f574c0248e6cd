//! Usage as providers report it, brought into one normal form.
//!
//! OpenAI's counts nest: `prompt_tokens` include cached and audio tokens, `completion_tokens` include reasoning.
//! Anthropic's `input_tokens` leave out what was read from and written to the cache, so those are added up. xAI reports
//! reasoning tokens beside `completion_tokens`, and Gemini's compatible endpoint leaves thinking out of them (and a zero
//! out altogether) while `total_tokens` counts it: where the total is larger than its parts, the difference is output.
//! Perplexity's deep research counts what it reasoned and what it read of its sources beside both, outside the total too,
//! and Anthropic leaves the summary of a compacted conversation to its `iterations`.

use rungate_core::usage::Usage;
use serde::de::MapAccess;

use super::loose::{Field, Object, Text};

/// OpenAI's usage, in the spelling of chat (`prompt_tokens`) or of responses (`input_tokens`).
#[derive(Debug, Default)]
pub struct OpenAi {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    input_details: Option<InputDetails>,
    output_details: Option<OutputDetails>,
    /// Cached and reasoning tokens where a provider has them beside the others: `prompt_cache_hit_tokens` of DeepSeek,
    /// `cached_tokens` of Together.
    cached_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    /// Of sound that is charged by time.
    seconds: Option<f64>,
    /// What Perplexity's deep research read of its sources, which costs as much as input. Only Perplexity names it.
    citation_tokens: Option<u64>,
    /// Mistral's name for it. Chat is charged by token all the same; it tells that tokens of sound are in the total only.
    prompt_audio_seconds: Option<f64>,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the names are the provider's")]
struct InputDetails {
    cached_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    /// OpenRouter passes on what Anthropic models wrote to their cache.
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Default)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

impl<'de> Object<'de> for OpenAi {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "prompt_tokens" | "input_tokens" => value.count(&mut self.prompt_tokens),
            "completion_tokens" | "output_tokens" => value.count(&mut self.completion_tokens),
            "total_tokens" => value.count(&mut self.total_tokens),
            "prompt_tokens_details" | "input_tokens_details" | "input_token_details" => {
                value.object(&mut self.input_details)
            }
            "completion_tokens_details" | "output_tokens_details" | "output_token_details" => {
                value.object(&mut self.output_details)
            }
            "prompt_cache_hit_tokens" | "cached_tokens" => value.count(&mut self.cached_tokens),
            "reasoning_tokens" => value.count(&mut self.reasoning_tokens),
            "citation_tokens" => value.count(&mut self.citation_tokens),
            "seconds" => value.number(&mut self.seconds),
            "prompt_audio_seconds" => value.number(&mut self.prompt_audio_seconds),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for InputDetails {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "cached_tokens" => value.count(&mut self.cached_tokens),
            "audio_tokens" => value.count(&mut self.audio_tokens),
            "cache_write_tokens" => value.count(&mut self.cache_write_tokens),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for OutputDetails {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "reasoning_tokens" => value.count(&mut self.reasoning_tokens),
            "audio_tokens" => value.count(&mut self.audio_tokens),
            _ => value.skip(),
        }
    }
}

impl OpenAi {
    /// The normal form; `None` when nothing was counted, be it that zeros say so. Parts are never larger than the whole
    /// they are of.
    pub fn normal(&self) -> Option<Usage> {
        if let Some(seconds) = self.seconds {
            return Some(by_time(seconds));
        }
        let total = self.total_tokens.unwrap_or(0);
        let mut output = self.completion_tokens.unwrap_or(0);
        let mut input = self.prompt_tokens.unwrap_or(total.saturating_sub(output));
        let uncounted = total.saturating_sub(input + output);
        let mut sound = 0;
        if self.prompt_audio_seconds.is_some_and(|seconds| seconds > 0.0) {
            sound = uncounted;
            input += uncounted;
        } else {
            output += uncounted;
        }
        let (input_details, output_details) = (self.input_details.as_ref(), self.output_details.as_ref());
        let reasoning = output_details.and_then(|details| details.reasoning_tokens).or(self.reasoning_tokens);
        let reasoning = reasoning.unwrap_or(0);
        if reasoning > output || self.citation_tokens.is_some() {
            // It cannot be a part of the output, or Perplexity says it, so it was counted apart.
            output += reasoning;
        }
        input += self.citation_tokens.unwrap_or(0);
        if input == 0 && output == 0 {
            return None;
        }
        let cached = input_details.and_then(|details| details.cached_tokens).or(self.cached_tokens);
        let cached_input = cached.unwrap_or(0).min(input);
        let cache_write = input_details.and_then(|details| details.cache_write_tokens).unwrap_or(0);
        let audio_input = input_details.and_then(|details| details.audio_tokens).unwrap_or(sound);
        let audio_output = output_details.and_then(|details| details.audio_tokens).unwrap_or(0);
        Some(Usage {
            input,
            output,
            cached_input,
            cache_write: cache_write.min(input - cached_input),
            reasoning,
            audio_input: audio_input.min(input),
            audio_output: audio_output.min(output - reasoning),
            ..Usage::default()
        })
    }

    /// The normal form of a transcription: its time where that is known, since what is charged by time is not charged by
    /// token as well.
    pub fn of_transcription(&self) -> Option<Usage> {
        self.prompt_audio_seconds.map(by_time).or_else(|| self.normal())
    }
}

/// Usage of sound that is charged by time: whole milliseconds, rounded up.
pub fn by_time(seconds: f64) -> Usage {
    let audio_ms = std::time::Duration::try_from_secs_f64(seconds)
        .map_or(0, |duration| u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
    Usage { audio_ms, ..Usage::default() }
}

/// Anthropic's usage. In a stream it comes in parts, each of which holds the latest of what it names.
#[derive(Debug, Default, Clone)]
pub struct Anthropic {
    counts: Counts,
    output_details: Option<Thinking>,
    iterations: Option<Vec<Iteration>>,
}

#[derive(Debug, Default, Clone)]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
}

/// What of the output was thought and not shown.
#[derive(Debug, Default, Clone)]
struct Thinking {
    tokens: Option<u64>,
}

/// What was written to the cache, by how long it is kept.
#[derive(Debug, Default, Clone)]
struct CacheCreation {
    five_minutes: Option<u64>,
    hour: Option<u64>,
}

/// One of several passes of the model that an answer took.
#[derive(Debug, Default, Clone)]
struct Iteration {
    kind: Pass,
    counts: Counts,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// It made a part of the answer.
    #[default]
    Message,
    /// It summed up the conversation, which the counts of the answer leave out.
    Compaction,
    /// Another model was asked for advice, at its own price.
    Advisor,
}

impl<'de> Object<'de> for Anthropic {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "output_tokens_details" => value.object(&mut self.output_details),
            "iterations" => value.list(&mut self.iterations),
            _ => self.counts.field(name, value),
        }
    }
}

impl<'de> Object<'de> for Counts {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "input_tokens" => value.count(&mut self.input_tokens),
            "output_tokens" => value.count(&mut self.output_tokens),
            "cache_read_input_tokens" => value.count(&mut self.cache_read_input_tokens),
            "cache_creation_input_tokens" => value.count(&mut self.cache_creation_input_tokens),
            "cache_creation" => value.object(&mut self.cache_creation),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for Thinking {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "thinking_tokens" => value.count(&mut self.tokens),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for CacheCreation {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "ephemeral_5m_input_tokens" => value.count(&mut self.five_minutes),
            "ephemeral_1h_input_tokens" => value.count(&mut self.hour),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for Iteration {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        if name != "type" {
            return self.counts.field(name, value);
        }
        let mut kind = None;
        value.text(&mut kind)?;
        self.kind = match kind.map(Text::decode).as_deref() {
            Some("compaction") => Pass::Compaction,
            Some("advisor_message") => Pass::Advisor,
            _ => Pass::Message,
        };
        Ok(())
    }
}

impl Anthropic {
    /// Takes over what a later part names. Counts only grow, so a zero says nothing: servers that imitate Anthropic send
    /// it for what they have said before.
    pub fn update(&mut self, later: Self) {
        let (now, then) = (&mut self.counts, later.counts);
        for (now, later) in [
            (&mut now.input_tokens, then.input_tokens),
            (&mut now.output_tokens, then.output_tokens),
            (&mut now.cache_read_input_tokens, then.cache_read_input_tokens),
            (&mut now.cache_creation_input_tokens, then.cache_creation_input_tokens),
        ] {
            if now.is_none() || later.is_some_and(|count| count > 0) {
                *now = later.or(*now);
            }
        }
        if then.cache_creation.is_some() {
            now.cache_creation = then.cache_creation;
        }
        if later.output_details.is_some() {
            self.output_details = later.output_details;
        }
        if later.iterations.is_some() {
            self.iterations = later.iterations;
        }
    }

    /// The normal form; `None` when nothing was counted, be it that zeros say so.
    ///
    /// Where the conversation was compacted on the way, it is the sum of the iterations: the counts beside them leave the
    /// summary out, and those at the start of a stream are the summary's. What an adviser used is left out.
    pub fn normal(&self) -> Option<Usage> {
        let iterations = self.iterations.as_deref().unwrap_or_default();
        let mut usage = if iterations.iter().any(|iteration| iteration.kind == Pass::Compaction) {
            let own = iterations.iter().filter(|iteration| iteration.kind != Pass::Advisor);
            own.map(|iteration| iteration.counts.normal()).fold(Usage::default(), sum)
        } else {
            self.counts.normal()
        };
        if usage.input == 0 && usage.output == 0 {
            return None;
        }
        let thought = self.output_details.as_ref().and_then(|details| details.tokens).unwrap_or(0);
        usage.reasoning = thought.min(usage.output);
        Some(usage)
    }
}

impl Counts {
    fn normal(&self) -> Usage {
        let read = self.cache_read_input_tokens.unwrap_or(0);
        let creation = self.cache_creation.as_ref();
        let hour = creation.and_then(|creation| creation.hour).unwrap_or(0);
        let parts = creation.and_then(|creation| creation.five_minutes).unwrap_or(0) + hour;
        let written = self.cache_creation_input_tokens.unwrap_or(parts);
        let hour = hour.min(written);
        Usage {
            input: self.input_tokens.unwrap_or(0) + read + written,
            output: self.output_tokens.unwrap_or(0),
            cached_input: read,
            cache_write: written - hour,
            cache_write_1h: hour,
            ..Usage::default()
        }
    }
}

/// The tokens of two iterations. Saturating, since nothing bounds how many there are.
const fn sum(one: Usage, other: Usage) -> Usage {
    Usage {
        input: one.input.saturating_add(other.input),
        output: one.output.saturating_add(other.output),
        cached_input: one.cached_input.saturating_add(other.cached_input),
        cache_write: one.cache_write.saturating_add(other.cache_write),
        cache_write_1h: one.cache_write_1h.saturating_add(other.cache_write_1h),
        ..one
    }
}
