//! Which price a request is charged at: one rule for live requests and for those that are priced again.

use rungate_core::exchange::ExchangeRecord;
use rungate_core::money::NanoUsd;
use rungate_core::usage::Usage;
use rungate_llm::catalog::{Catalogue, Price, cost};

use super::own::DatedPrice;

/// A price, and what it stands in.
pub struct Chosen<'a> {
    /// The price.
    pub price: &'a Price,
    /// Names the catalogue, or the price of the workspace's own.
    pub snapshot_id: &'a str,
}

impl Chosen<'_> {
    /// What `usage` costs at this price; `None` when that cannot be said.
    pub fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        cost(self.price, usage)
    }
}

/// The price of an exchange: the workspace's own (`own`, by provider and model) before the catalogue's. The model that
/// was asked of the provider decides, then the one its answer names. What counts is the price at the exchange's start.
pub fn choose<'a>(
    record: &ExchangeRecord,
    own: impl Fn(&str, &str) -> Option<&'a DatedPrice>,
    catalogue: &'a Catalogue,
) -> Option<Chosen<'a>> {
    let provider = record.provider.as_deref()?;
    let asked = record.attempts.last().and_then(|attempt| attempt.model.as_deref());
    let models = || asked.into_iter().chain(record.model.as_deref());
    if let Some(dated) = models().find_map(|model| own(provider, model)) {
        return Some(Chosen { price: &dated.price, snapshot_id: &dated.snapshot_id });
    }
    let price = models().find_map(|model| catalogue.model(provider, model)?.price_at(record.created_at))?;
    Some(Chosen { price, snapshot_id: catalogue.snapshot_id() })
}
