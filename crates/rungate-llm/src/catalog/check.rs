//! What a catalogue must be before anything is priced by it. Single prices are checked when they are read.

use super::price::{Price, Rate};
use super::{Catalogue, Model};

/// The highest price for a token that is believed, in pico-dollars: ten thousand dollars a million. A slip of the decimal
/// point lands above it; no model is listed at a tenth of it.
const MAX_RATE: i64 = 10_000_000_000;
/// The longest names.
const MAX_NAME_BYTES: usize = 200;
/// How many faults are named.
const MAX_FAULTS: usize = 20;

/// What is wrong with a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct Faults(pub Vec<String>);

/// Refuses a catalogue that is empty, names models that cannot be, or asks prices that nobody does.
pub fn check(catalogue: &Catalogue) -> Result<(), Faults> {
    let mut faults = Vec::new();
    if !is_snapshot_id(catalogue.snapshot_id()) {
        let rule = format!("1 to {MAX_NAME_BYTES} letters, digits, `.`, `_` and `-`");
        faults.push(format!("snapshotId {:?} is not {rule}", catalogue.snapshot_id()));
    }
    if !catalogue.models().iter().any(|model| !model.prices.is_empty()) {
        faults.push("no model has a price".to_owned());
    }
    faults.extend(catalogue.models().iter().filter_map(fault).take(MAX_FAULTS));
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

/// Whether a text can be the id of a catalogue: it stands in paths.
fn is_snapshot_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(is_plain)
}

fn fault(model: &Model) -> Option<String> {
    let named = |text: &str| {
        (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !named(&model.provider) || !named(&model.id) {
        return Some(format!("{:?} of {:?} is no name of a model", model.id, model.provider));
    }
    let (rate, _) = model.prices.iter().find_map(|dated| dearest(&dated.price))?;
    Some(format!("{}/{}: {} is not believable", model.provider, model.id, rate.field()))
}

/// A rate above what is believed.
fn dearest(price: &Price) -> Option<(Rate, i64)> {
    let longest = price.tiers().last().map_or(0, |tier| tier.above_input_tokens.saturating_add(1));
    [0, longest].into_iter().find_map(|input| {
        let rates = price.rates(input);
        Rate::ALL
            .into_iter()
            .find_map(|rate| rates.get(rate).filter(|amount| *amount > MAX_RATE).map(|amount| (rate, amount)))
    })
}
