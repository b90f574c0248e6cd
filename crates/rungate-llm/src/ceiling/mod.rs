//! The most that a request can cost: what is reserved for it under a hard budget. An upper bound, not an average.
//!
//! **Text** is at most as many tokens as bytes. A token of a byte-level BPE, or of a vocabulary that falls back to bytes,
//! stands for at least one byte, and text in JSON is never shorter than the text itself. What providers add is allowed
//! for (see `demand`). A tokeniser that normalises text before it splits it may make more of a few rare characters.
//!
//! **Images** are bounded by what the models document for one, wherever it stands; **files, sound and what is stored at
//! the provider** (an earlier response, a conversation) by the model's context window, since neither bytes nor seconds
//! bound them. Where that is unknown, nothing bounds them. No text is more than the context window either.
//!
//! **Output** is at most the limit that the body sets, for each choice; else the model's own; else its context window.
//! Reasoning is part of it.
//!
//! **Tools that the provider runs** are charged by call and put what they find into the context again and again: nothing
//! bounds that, nor a recording that is charged by its minutes, since a file may say that it is as long as it likes.
//!
//! A token costs the highest price that it can have: that of the dearest kind (cache writes, reasoning, sound where it can
//! occur) in the dearest tier that can be reached.
//!
//! Prices that the catalogue does not know are outside of this: faster service tiers and fees for each call.

mod demand;
mod parts;
mod price;
#[cfg(test)]
mod tests;

use rungate_core::money::NanoUsd;
use rungate_core::operation::{Kind, Operation};

use crate::catalog::{Model, Price, Unit};
use crate::provider::Provider;
use crate::request::takes_completion_tokens;

pub use demand::Demand;
use price::{Kinds, highest};

/// Tokens of one image at most, at any model that documents it: Qwen's have up to 16 384, GPT-6 14 364, Claude 4 005.
const IMAGE_TOKENS: u64 = 16_384;
/// Models that count an image many times over: 2 833 and 5 667 for each of eight tiles.
const DEAR_IMAGES: (&str, u64) = ("gpt-4o-mini", 48_169);
/// Tokens of one image made by `gpt-image-1` and its kin: 6 240, and 100 for each of three previews.
const IMAGE_MADE: (&str, u64) = ("gpt-image-1", 6_540);
/// Parts of names of models that search or run tools without being told to.
const SEARCHING_MODELS: [&str; 5] = ["search-preview", "search-api", "deep-research", "compound", "sonar"];
/// Pico-dollars in a nano-dollar.
const PICO_PER_NANO: i128 = 1_000;

/// The most that a request can cost at one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ceiling {
    /// It can cost no more than this.
    Bounded(Bound),
    /// Nothing bounds it: not to be sent under a hard budget.
    Unbounded {
        /// The field that it is due to.
        field: &'static str,
        /// The reason, for people.
        why: &'static str,
    },
    /// The model has no price, or none for what may be used.
    Unpriced,
}

/// An upper bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bound {
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens of all choices together.
    pub output_tokens: u64,
    /// What it costs, rounded up as the cost is; at most what [`NanoUsd`] holds.
    pub cost: NanoUsd,
}

/// What is known of the model that a request would be sent to.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its name as the provider is told it.
    pub name: &'a str,
    /// Tokens it reads at most. Not that of the catalogue where the client asks for a larger one by a header.
    pub context_window: Option<u64>,
    /// Tokens it writes at most.
    pub max_output_tokens: Option<u64>,
    /// Tokens of one image at most, where that is known.
    pub image_tokens: Option<u64>,
    /// Whether `max_completion_tokens` is heeded.
    pub completion_tokens: bool,
    /// What it costs.
    pub price: Option<&'a Price>,
}

type Unbounded = (&'static str, &'static str);

impl<'a> Facts<'a> {
    /// What the catalogue and the provider's row say. `name` is the model's name as the provider is told it, and `price`
    /// what it costs now, be it by an override.
    pub fn new(provider: &Provider, name: &'a str, model: Option<&Model>, price: Option<&'a Price>) -> Self {
        let id = name.rsplit('/').next().unwrap_or(name);
        let image_tokens = if id.starts_with(DEAR_IMAGES.0) { DEAR_IMAGES.1 } else { IMAGE_TOKENS };
        Self {
            name,
            context_window: model.and_then(|model| model.context_window),
            max_output_tokens: model.and_then(|model| model.max_output_tokens),
            image_tokens: model.map(|_| image_tokens),
            completion_tokens: provider.completion_tokens || takes_completion_tokens(name),
            price,
        }
    }
}

/// What is used at most.
#[derive(Debug, Clone, Copy, Default)]
struct Most {
    input: u64,
    output: u64,
    images: u64,
    characters: u64,
}

impl Demand {
    /// The most that the request can cost at a model.
    pub fn ceiling(&self, facts: &Facts<'_>) -> Ceiling {
        if self.operation.is_free() {
            return Ceiling::Bounded(Bound::default());
        }
        let Some(price) = facts.price else { return Ceiling::Unpriced };
        match self.most(facts, price) {
            Err((field, why)) => Ceiling::Unbounded { field, why },
            Ok(most) => self.cost(price, most).map_or(Ceiling::Unpriced, |cost| {
                Ceiling::Bounded(Bound { input_tokens: most.input, output_tokens: most.output, cost })
            }),
        }
    }

    /// The highest output limit for each answer with which the request costs at most `budget`: what `clamp` lowers it to,
    /// never above the one it has. `None` when not one token fits, or when it is not output that the cost depends on.
    pub fn fit(&self, facts: &Facts<'_>, budget: NanoUsd) -> Option<u64> {
        if !self.generates_text() || self.unbounded.is_some() || runs_tools(facts) {
            return None;
        }
        let price = facts.price?;
        let input = self.input(facts).ok()?;
        let (input_rate, output_rate) = highest(price, input, self.kinds());
        let left = i128::from(budget.nanos()) * PICO_PER_NANO - i128::from(input) * i128::from(input_rate?);
        let now = self.answer_tokens(facts).ok();
        let fitting = match i128::from(output_rate?) {
            _ if left < 0 => return None,
            0 => now?,
            rate => {
                let each = left / rate / i128::from(self.answers) - i128::from(self.predicted);
                u64::try_from(each).ok()?
            }
        };
        Some(now.map_or(fitting, |now| now.min(fitting))).filter(|limit| *limit > 0)
    }

    const fn generates_text(&self) -> bool {
        matches!(
            self.operation,
            Operation::ChatCompletions | Operation::Completions | Operation::Responses | Operation::Messages
        )
    }

    fn most(&self, facts: &Facts<'_>, price: &Price) -> Result<Most, Unbounded> {
        if let Some(unbounded) = self.unbounded {
            return Err(unbounded);
        }
        if runs_tools(facts) {
            return Err(("model", "the model searches or runs tools by itself"));
        }
        let input = self.input(facts)?;
        let own_limit = facts.max_output_tokens;
        Ok(match self.operation.kind() {
            Kind::Embedding | Kind::Moderation => Most { input, ..Most::default() },
            Kind::Image => {
                let made = facts.name.rsplit('/').next().filter(|id| id.starts_with(IMAGE_MADE.0));
                let each = made.map(|_| IMAGE_MADE.1).or(own_limit);
                let each = each.or(price.unit(Unit::Image).map(|_| 0));
                let each = each.ok_or(("model", "nobody says how many tokens it makes of an image"))?;
                Most { input, output: each.saturating_mul(self.answers), images: self.answers, characters: 0 }
            }
            Kind::Audio if self.operation == Operation::Speech => {
                let output = own_limit.or(price.unit(Unit::Character).map(|_| 0));
                let output = output.ok_or(("input", "nobody says how many tokens it makes of a text"))?;
                Most { input, output, images: 0, characters: self.characters }
            }
            Kind::Audio => {
                if price.unit(Unit::AudioMinute).is_some() {
                    return Err(("file", "it is charged by its length, which its size does not bound"));
                }
                let output = own_limit.ok_or(("file", "the model's output limit is not known"))?;
                Most { input, output, ..Most::default() }
            }
            _ => {
                let each = self.answer_tokens(facts)?.saturating_add(self.predicted);
                Most { input, output: each.saturating_mul(self.answers), ..Most::default() }
            }
        })
    }

    /// Input tokens at most.
    fn input(&self, facts: &Facts<'_>) -> Result<u64, Unbounded> {
        // Each of several texts has the window to itself.
        let is_one =
            self.prompts == 1 && !matches!(self.operation.kind(), Kind::Embedding | Kind::Moderation);
        let window = facts.context_window.filter(|_| is_one);
        if let Some(field) = self.parts.opaque {
            return window
                .ok_or((field, "its size does not bound it, and the model's context window is not known"));
        }
        let images = match (self.parts.images, facts.image_tokens) {
            (0, _) => 0,
            (images, Some(each)) => images.saturating_mul(each),
            _ => return window.ok_or(("image", "nobody says how many tokens this model makes of an image")),
        };
        let all = self.text_tokens.saturating_add(images);
        Ok(window.map_or(all, |window| all.min(window)))
    }

    /// Output tokens of one answer at most.
    fn answer_tokens(&self, facts: &Facts<'_>) -> Result<u64, Unbounded> {
        let completion = self.limits.completion.filter(|_| facts.completion_tokens);
        let own = facts.max_output_tokens.or(facts.context_window);
        match self.limits.plain.max(completion) {
            // A limit beyond all that the model can hold is none.
            Some(limit) => Ok(facts
                .context_window
                .map_or(limit, |window| limit.min(window.max(facts.max_output_tokens.unwrap_or(0))))),
            None => own.ok_or((self.limit_field(), "it is not set, and the model's own limit is not known")),
        }
    }

    fn limit_field(&self) -> &'static str {
        if self.operation == Operation::Responses { "max_output_tokens" } else { "max_tokens" }
    }

    fn kinds(&self) -> Kinds {
        Kinds {
            audio_input: self.parts.audio,
            audio_output: self.audio_output,
            hour_cache: self.hour_cache || self.parts.opaque.is_some(),
        }
    }

    /// What that costs; `None` when something of it has no price.
    fn cost(&self, price: &Price, most: Most) -> Option<NanoUsd> {
        let (input, output) = highest(price, most.input, self.kinds());
        let (images, characters) = (price.unit(Unit::Image), price.unit(Unit::Character));
        // What is charged by the image or the character need have no price by the token.
        let by_unit = (most.images > 0 && images.is_some()) || (most.characters > 0 && characters.is_some());
        let tokens = |count: u64, rate: Option<i64>| match rate {
            Some(rate) => Some(i128::from(count) * i128::from(rate)),
            None => (count == 0 || by_unit).then_some(0),
        };
        let units = |count: u64, rate: Option<i64>| i128::from(count) * i128::from(rate.unwrap_or(0));
        let pico = tokens(most.input, input)?
            .checked_add(tokens(most.output, output)?)?
            .checked_add(units(most.images, images))?
            .checked_add(units(most.characters, characters))?;
        let nanos = pico / PICO_PER_NANO + i128::from(pico % PICO_PER_NANO != 0);
        Some(i64::try_from(nanos).map_or(NanoUsd::MAX, NanoUsd::from_nanos))
    }
}

fn runs_tools(facts: &Facts<'_>) -> bool {
    SEARCHING_MODELS.iter().any(|part| facts.name.contains(part))
}
