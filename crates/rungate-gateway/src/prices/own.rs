//! Prices of a workspace's own.

use std::collections::HashMap;

use rungate_core::agent::PriceOverride;
use rungate_core::time::Timestamp;
use rungate_llm::catalog::Price;

/// The prices of one workspace, by provider and model.
#[derive(Default)]
pub struct OwnPrices(HashMap<(String, String), Vec<DatedPrice>>);

/// A price of the workspace's own.
pub struct DatedPrice {
    /// In force from this time on.
    pub from: Timestamp,
    /// The price.
    pub price: Price,
    /// Names it on the rows it priced: `override-<id>`.
    pub snapshot_id: String,
    made_at: Timestamp,
    withdrawn_at: Option<Timestamp>,
}

impl OwnPrices {
    /// Adds a price. One that cannot be read is left out, loudly.
    pub fn add(&mut self, price: PriceOverride) {
        let Ok(parsed) = serde_json::from_value::<Price>(price.prices) else {
            tracing::error!(price = %price.head.id, "price override cannot be read and is left out");
            return;
        };
        let dated = DatedPrice {
            from: price.effective_from,
            price: parsed,
            snapshot_id: format!("override-{}", price.head.id),
            made_at: price.head.created_at,
            withdrawn_at: price.deleted_at,
        };
        let prices = self.0.entry((price.provider, price.model)).or_default();
        prices.push(dated);
        prices.sort_by_key(|price| std::cmp::Reverse(price.from));
    }

    /// The price of a request that came in at `at`, as far as it is known now.
    pub fn at(&self, provider: &str, model: &str, at: Timestamp) -> Option<&DatedPrice> {
        self.of(provider, model).iter().find(|price| price.withdrawn_at.is_none() && price.from <= at)
    }

    /// The price that [`OwnPrices::at`] gave at the time `then`.
    pub fn as_known(
        &self,
        provider: &str,
        model: &str,
        at: Timestamp,
        then: Timestamp,
    ) -> Option<&DatedPrice> {
        let was_there = |price: &&DatedPrice| {
            price.made_at <= then && price.withdrawn_at.is_none_or(|withdrawn| withdrawn > then)
        };
        self.of(provider, model).iter().filter(was_there).find(|price| price.from <= at)
    }

    fn of(&self, provider: &str, model: &str) -> &[DatedPrice] {
        if self.0.is_empty() {
            return &[];
        }
        self.0.get(&(provider.to_owned(), model.to_owned())).map_or(&[], Vec::as_slice)
    }
}
