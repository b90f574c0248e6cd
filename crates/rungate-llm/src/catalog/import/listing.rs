//! A model as one source lists it, and what a source gave.

use std::collections::BTreeMap;

use crate::catalog::{Dated, Price, Prices};
use rungate_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

/// A line of `models.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// Our id of the provider.
    pub provider: &'static str,
    /// The model as the provider calls it.
    pub id: String,
    /// What it is used for.
    pub mode: &'static str,
    /// Whether it is offered to those who ask what there is.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub offered: bool,
    /// Tokens it reads at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Tokens of output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// What it takes.
    pub modalities: Vec<&'static str>,
    /// What it can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<&'static str>,
    /// Who gave the newest price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// What it costs and has cost.
    #[serde(skip_serializing_if = "Prices::is_empty")]
    pub prices: Prices,
}

/// What one source gave.
#[derive(Debug, Default)]
pub struct Given {
    /// How many rows it has.
    pub rows: usize,
    /// By provider and id.
    pub models: BTreeMap<Name, Listing>,
    /// Other exact names of its models; they stand for a model only where another source lists them.
    pub aliases: BTreeMap<Name, Listing>,
    /// Rows that are no model of the catalogue, by the reason.
    pub skipped: BTreeMap<String, usize>,
    /// Models whose price was not taken, by the reason.
    pub unpriced: BTreeMap<String, Vec<String>>,
}

/// Provider and id.
pub type Name = (&'static str, String);

impl Given {
    /// Notes a row that is left out.
    pub fn skip(&mut self, why: &str) {
        *self.skipped.entry(why.to_owned()).or_default() += 1;
    }

    /// Notes a model whose price is left out.
    pub fn unpriced(&mut self, why: impl Into<String>, model: String) {
        self.unpriced.entry(why.into()).or_default().push(model);
    }

    /// A model by its name or by an alias.
    pub fn find(&self, name: &Name) -> Option<&Listing> {
        self.models.get(name).or_else(|| self.aliases.get(name))
    }
}

/// Whether a text can be the name of a model.
pub fn is_name(id: &str) -> bool {
    (1..=200).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// The price that these fields say, unless it makes no sense; the error is the reason.
///
/// One that is zero says more often that nobody knows than that the model is free, and so does a free answer to a paid
/// question; OpenRouter marks what is free by its name.
pub fn price(fields: Map<String, Value>, mode: &str, id: &str) -> Result<Option<Price>, String> {
    if fields.is_empty() {
        return Ok(None);
    }
    let stated = |field: &str| fields.get(field).and_then(Value::as_str).map(is_zero);
    let (input, output) = (stated("inputPerMTok"), stated("outputPerMTok"));
    let generates = ["chat", "responses", "completion"].contains(&mode);
    let is_half = generates && (input.is_none() || output != Some(false));
    let price: Price =
        serde_json::from_value(Value::Object(fields)).map_err(|_| "cannot be held exactly".to_owned())?;
    let may_be_free = mode == "moderation" || id.ends_with(":free");
    if price.is_free() {
        return if may_be_free { Ok(Some(price)) } else { Err("zero".to_owned()) };
    }
    if is_half { Err("input or output has no price".to_owned()) } else { Ok(Some(price)) }
}

fn is_zero(text: &str) -> bool {
    text.split(['e', 'E']).next().is_some_and(|mantissa| mantissa.bytes().all(|byte| b"0.".contains(&byte)))
}

/// Prices from the oldest to the newest, each with the moment it came to be asked; what did not change is one price.
pub fn dated(oldest_first: Vec<(Option<Timestamp>, Price)>) -> Result<Prices, String> {
    let mut prices: Vec<Dated> = Vec::new();
    for (from, price) in oldest_first {
        if prices.last().is_some_and(|last| last.price == price) {
            continue;
        }
        // The oldest that is known counts for what came before.
        let from = if prices.is_empty() { None } else { from };
        prices.push(Dated { from, price });
    }
    prices.reverse();
    Prices::new(prices)
}
