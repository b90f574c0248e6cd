//! What an exchange that was settled costs at another catalogue. Nothing is written.

use rungate_core::exchange::ExchangeRecord;
use rungate_core::money::NanoUsd;
use rungate_llm::catalog::Catalogue;

use super::choose::choose;
use super::own::OwnPrices;

/// A cost, and what it would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repriced {
    /// As recorded; `None` when unknown.
    pub then: Option<NanoUsd>,
    /// At the other prices; `None` when unknown.
    pub now: Option<NanoUsd>,
}

impl Repriced {
    /// By how much the other prices are dearer, where both costs are known.
    pub fn difference(&self) -> Option<i128> {
        Some(i128::from(self.now?.nanos()) - i128::from(self.then?.nanos()))
    }
}

/// What a settled exchange costs at the prices of `catalogue` and of the workspace's `own`; `None` while it is open.
///
/// Prices are those of the time at which the request came in, the workspace's own as they were known when it was
/// settled: at the catalogue that priced it, an exchange costs what it did. Where nothing was counted (a refusal, an
/// error of the provider, an answer that never came), no price changes anything.
pub fn reprice(record: &ExchangeRecord, own: Option<&OwnPrices>, catalogue: &Catalogue) -> Option<Repriced> {
    if !record.is_closed() {
        return None;
    }
    let then = record.cost;
    let Some(usage) = &record.usage else { return Some(Repriced { then, now: then }) };
    let at = record.created_at;
    let settled = record.completed_at.unwrap_or(at);
    let own = |provider: &str, model: &str| own?.as_known(provider, model, at, settled);
    let now = choose(record, own, catalogue).and_then(|chosen| chosen.cost(usage));
    Some(Repriced { then, now })
}
