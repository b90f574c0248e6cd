//! The most that a request can cost: what a hard budget holds before it is sent.
//!
//! An upper bound, not an estimate:
//!
//! - **Text** has at most as many tokens as bytes: byte-level vocabularies (BPE of every provider here) have every single byte,
//!   and any longer token stands for several. What a provider writes around messages and tools replaces JSON that is longer: the
//!   roles, keys and brackets of a message are some thirty bytes, its frame is some five tokens. Beyond that come a fixed frame of
//!   the whole prompt, and the instructions that some providers add for tools.
//! - **Anything but text** (images, sound, files, input that the provider keeps) is bounded by what the model reads at all.
//! - **Output** is bounded by the limit that is asked for, times the number of answers, else by the model's own.
//! - Every token counts at the dearest price that its kind can have: plain, cached, written to a cache, as sound.
//!
//! What is charged by the call and not by the token has no bound.

mod text;

use rungate_core::money::NanoUsd;
use rungate_core::operation::{Kind, Operation};
use rungate_core::usage::Usage;

use crate::catalog::{Price, cost};
use crate::request::{Elsewhere, Scan};

/// Tokens around the whole prompt.
const FRAME: u64 = 64;
/// Tokens of instructions that a provider adds where tools are offered: at most 530 are documented (Anthropic).
const TOOL_FRAME: u64 = 1_024;
/// Tokens of a tool that the provider describes by itself and the client runs: at most 735 are documented (Anthropic).
const NAMED_TOOL: u64 = 1_024;
/// Milliseconds of sound in a byte: less than six kilobits a second is no format in use.
const MS_PER_BYTE: u64 = 2;

/// What a model can do at most, as the catalogue knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Tokens it reads.
    pub context_window: Option<u64>,
    /// Tokens it writes in one answer.
    pub max_output: Option<u64>,
}

/// Nothing bounds what a request costs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Unbounded {
    /// The field at fault.
    pub field: &'static str,
    /// Why, as a sentence without its field.
    pub why: &'static str,
}

/// The most that a request uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceiling {
    input: u64,
    /// Per answer.
    output: u64,
    answers: u64,
    has_sound: bool,
    images: u64,
    characters: u64,
    audio_ms: u64,
}

impl Ceiling {
    /// That of a request: its body as it is sent, and the scan of it. `characters` are to be read aloud.
    pub fn of(
        operation: Operation,
        scan: &Scan,
        body: &[u8],
        characters: Option<u64>,
        model: Capacity,
    ) -> Result<Self, Unbounded> {
        let nothing =
            Self { input: 0, output: 0, answers: 1, has_sound: false, images: 0, characters: 0, audio_ms: 0 };
        match operation.kind() {
            Kind::Image => Ok(Self { images: u64::from(scan.choices.max(1)), ..nothing }),
            Kind::Audio if operation == Operation::Speech => {
                Ok(Self { characters: characters.unwrap_or(body.len() as u64), ..nothing })
            }
            Kind::Audio => Ok(Self { audio_ms: (body.len() as u64).saturating_mul(MS_PER_BYTE), ..nothing }),
            Kind::Embedding | Kind::Moderation => Ok(Self { input: of_bytes(body), ..nothing }),
            _ => Self::of_tokens(operation, scan, body, model),
        }
    }

    fn of_tokens(operation: Operation, scan: &Scan, body: &[u8], model: Capacity) -> Result<Self, Unbounded> {
        let spending = &scan.spending;
        if let Some(Elsewhere::Calls(field)) = spending.elsewhere {
            return Err(Unbounded {
                field,
                why: "is charged by the call, and nothing bounds how often it is made",
            });
        }
        let tools = spending.tools_span.clone().map(|span| text::tools(&body[span])).transpose()?;
        let content =
            scan.words_span.clone().map_or(text::Content::Text, |span| text::content(operation, &body[span]));
        let read_elsewhere = matches!(spending.elsewhere, Some(Elsewhere::Input(_)));
        let input = if read_elsewhere || content != text::Content::Text {
            let field = match spending.elsewhere {
                Some(Elsewhere::Input(field)) => field,
                _ => "messages",
            };
            let why =
                "holds input whose size is not in the request, and the model's context window is not known";
            model.context_window.ok_or(Unbounded { field, why })?
        } else {
            let added = tools.map_or(0, |named| TOOL_FRAME + NAMED_TOOL.saturating_mul(named));
            let of_text = of_bytes(body).saturating_add(added);
            model.context_window.map_or(of_text, |window| of_text.min(window))
        };
        let why = "is not sent, and the most that the model writes is not known";
        let output = spending.output_limit.or(model.max_output).or(model.context_window);
        let output = output.ok_or(Unbounded { field: limit_field(operation), why })?;
        let answers = spending.best_of.max(u64::from(scan.choices)).max(1);
        let has_sound = content == text::Content::Sound;
        Ok(Self { input, output, answers, has_sound, images: 0, characters: 0, audio_ms: 0 })
    }

    /// The most output per answer.
    pub const fn output(&self) -> u64 {
        self.output
    }

    /// The same with another limit on the output.
    pub fn with_output(self, output: u64) -> Self {
        Self { output, ..self }
    }

    /// What it costs at most; `None` when something that it uses has no price.
    pub fn cost(&self, price: &Price) -> Option<NanoUsd> {
        self.cost_of(price, self.output)
    }

    /// The most output per answer with which it costs at most `room`; `None` when not one token fits.
    pub fn fit(&self, price: &Price, room: NanoUsd) -> Option<u64> {
        let fits = |output: u64| self.cost_of(price, output).is_some_and(|cost| cost <= room);
        if !fits(1) {
            return None;
        }
        let (mut fitting, mut beyond) = (1, self.output.saturating_add(1));
        while beyond - fitting > 1 {
            let middle = fitting + (beyond - fitting) / 2;
            if fits(middle) { fitting = middle } else { beyond = middle }
        }
        Some(fitting)
    }

    fn cost_of(&self, price: &Price, output: u64) -> Option<NanoUsd> {
        let units = Usage {
            images: self.images,
            characters: self.characters,
            audio_ms: self.audio_ms,
            ..Usage::default()
        };
        let units = cost(price, &units)?;
        let output = output.saturating_mul(self.answers);
        let input = self.input;
        let plain = Usage { input, output, ..Usage::default() };
        let mut kinds = vec![
            plain,
            Usage { cached_input: input, ..plain },
            Usage { cache_write: input, ..plain },
            Usage { cache_write_1h: input, ..plain },
            Usage { reasoning: output, ..plain },
        ];
        if self.has_sound {
            kinds.push(Usage { audio_input: input, ..plain });
        }
        // Each kind of input with each kind of output: what is dearest of either is dearest together.
        let mut dearest = NanoUsd::ZERO;
        for input in &kinds {
            for output in &kinds {
                let both = Usage { reasoning: output.reasoning, ..*input };
                dearest = dearest.max(cost(price, &both)?);
            }
        }
        units.checked_add(dearest)
    }
}

/// Text as tokens.
fn of_bytes(body: &[u8]) -> u64 {
    (body.len() as u64).saturating_add(FRAME)
}

/// The field by which an operation takes a limit on its output.
pub const fn limit_field(operation: Operation) -> &'static str {
    match operation {
        Operation::Responses => "max_output_tokens",
        Operation::ChatCompletions => "max_completion_tokens",
        _ => "max_tokens",
    }
}

#[cfg(test)]
mod tests;
