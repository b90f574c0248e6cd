//! The highest price that tokens can have.

use crate::catalog::{Price, Rate, Rates};

/// Kinds of tokens that a request may or may not use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kinds {
    /// Whether input may be sound.
    pub audio_input: bool,
    /// Whether output may be sound.
    pub audio_output: bool,
    /// Whether input may be cached for an hour.
    pub hour_cache: bool,
}

/// The highest price of a token of input and of output, in pico-dollars, in any tier that a request with at most so many
/// input tokens can be in; `None` for what has no price.
///
/// A tier is for the whole request, and need not ask more than the one below; hence the highest of all, not the last.
pub(super) fn highest(price: &Price, input_tokens: u64, kinds: Kinds) -> (Option<i64>, Option<i64>) {
    let tiers = price.tiers().iter().map(|tier| tier.above_input_tokens);
    let starts = tiers.filter(|above| *above < input_tokens).map(|above| price.rates(above + 1));
    let all: Vec<Rates> = std::iter::once(price.rates(0)).chain(starts).collect();

    let input = |rates: &Rates| {
        let special = [
            rates.get(Rate::CachedInput),
            rates.get(Rate::CacheWrite),
            rates.get(Rate::CacheWrite1h).filter(|_| kinds.hour_cache),
            rates.get(Rate::AudioInput).filter(|_| kinds.audio_input),
        ];
        most(rates.get(Rate::Input), special)
    };
    let output = |rates: &Rates| {
        let special =
            [rates.get(Rate::Reasoning), rates.get(Rate::AudioOutput).filter(|_| kinds.audio_output)];
        most(rates.get(Rate::Output), special)
    };
    (over_tiers(&all, input), over_tiers(&all, output))
}

/// The highest of a price and those of its special kinds; `None` where the plain kind has none, since tokens of it cannot
/// be ruled out.
fn most<const N: usize>(plain: Option<i64>, special: [Option<i64>; N]) -> Option<i64> {
    plain.map(|plain| special.into_iter().flatten().fold(plain, i64::max))
}

fn over_tiers(tiers: &[Rates], highest: impl Fn(&Rates) -> Option<i64>) -> Option<i64> {
    tiers.iter().map(highest).try_fold(0, |most, price| price.map(|price| price.max(most)))
}
