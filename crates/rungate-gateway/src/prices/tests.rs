//! Pricing again by what priced first gives the same.

use std::time::Duration;

use proptest::prelude::*;
use rungate_core::activity::{AgentStamp, Trust};
use rungate_core::agent::{Head, PriceOverride};
use rungate_core::exchange::{Attempt, CostStatus, ExchangeRecord, Outcome};
use rungate_core::id::{ExchangeId, ExternalId, ProviderKeyId, VirtualKeyId, WorkspaceId};
use rungate_core::money::NanoUsd;
use rungate_core::operation::Kind;
use rungate_core::time::Timestamp;
use rungate_core::usage::Usage;
use rungate_llm::catalog::Catalogue;
use serde_json::json;
use uuid::Uuid;

use super::*;

const WORKSPACE: WorkspaceId = WorkspaceId::new(Uuid::from_u128(1));

fn at(minute: u64) -> Timestamp {
    Timestamp::from_micros(0).plus(Duration::from_mins(minute))
}

fn catalogue(name: &str, prices: [u32; 2]) -> Catalogue {
    let [a, b] = prices;
    let text = format!(
        r#"{{"snapshotId": "{name}", "models": [
            {{"provider": "openai", "id": "a", "mode": "chat", "prices": {{"inputPerMTok": "{a}", "outputPerMTok": "7"}}}},
            {{"provider": "openai", "id": "b", "mode": "chat", "prices": {{"inputPerMTok": "{b}"}}}},
            {{"provider": "openai", "id": "c", "mode": "chat"}}]}}"#
    );
    Catalogue::parse(&text).unwrap()
}

fn record(asked: &str, answered: &str, usage: Option<Usage>, came: Timestamp) -> ExchangeRecord {
    let agent = AgentStamp {
        id: None,
        external_id: ExternalId::parse("agt_x").unwrap(),
        name: None,
        trust: Trust::AuthBound,
    };
    let key = VirtualKeyId::new(Uuid::from_u128(2));
    let mut record =
        ExchangeRecord::new(ExchangeId::new(Uuid::from_u128(3)), WORKSPACE, came, Kind::Chat, agent, key);
    record.provider = Some("openai".to_owned());
    record.model = Some(answered.to_owned());
    record.attempts.push(Attempt {
        provider: "openai".to_owned(),
        model: Some(asked.to_owned()),
        provider_key_id: ProviderKeyId::new(Uuid::from_u128(4)),
        status: Some(200),
        upstream_request_id: None,
        latency_ms: 1,
        error_code: None,
        cost: None,
    });
    record.usage = usage;
    record.outcome = Outcome::Succeeded;
    record
}

fn own_price(number: u128, model: &str, price: u32, times: (u64, u64, Option<u64>)) -> PriceOverride {
    let (made, from, withdrawn) = times;
    PriceOverride {
        head: Head::new(Uuid::from_u128(number), WORKSPACE, at(made)),
        provider: "openai".to_owned(),
        model: model.to_owned(),
        prices: json!({"inputPerMTok": price.to_string(), "outputPerMTok": "3"}),
        effective_from: at(from),
        deleted_at: withdrawn.map(|after| at(made + after)),
    }
}

fn own(prices: &[PriceOverride]) -> OwnPrices {
    let mut own = OwnPrices::default();
    for price in prices {
        own.add(price.clone());
    }
    own
}

fn any_model() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "a-2026-01-01", "unlisted"]).prop_map(str::to_owned)
}

fn any_own_prices() -> impl Strategy<Value = Vec<PriceOverride>> {
    let one = (any_model(), 0..50_u32, 0..100_u64, 0..100_u64, prop::option::of(0..100_u64));
    prop::collection::vec(one, 0..8).prop_map(|all| {
        let mut prices = Vec::new();
        for (number, (model, price, made, from, withdrawn)) in (10..).zip(all) {
            // Two of one model cannot begin at the same moment.
            let taken = |known: &PriceOverride| known.model == model && known.effective_from == at(from);
            if !prices.iter().any(taken) {
                prices.push(own_price(number, &model, price, (made, from, withdrawn)));
            }
        }
        prices
    })
}

fn any_usage() -> impl Strategy<Value = Option<Usage>> {
    let counts = (0..1_000_000_u64, 0..1_000_u64, 0..1_000_u64);
    let usage = counts.prop_map(|(input, cached_input, output)| Usage {
        input: input + cached_input,
        cached_input,
        output,
        ..Usage::default()
    });
    prop::option::weighted(0.9, usage)
}

/// Settles as a gateway did at the time: it knew the prices that had been made and not withdrawn.
fn settle(record: &mut ExchangeRecord, all: &[PriceOverride], catalogue: &Catalogue, settled: Timestamp) {
    let known: Vec<PriceOverride> = all
        .iter()
        .filter(|price| price.head.created_at <= settled)
        .filter(|price| price.deleted_at.is_none_or(|withdrawn| withdrawn > settled))
        .map(|price| PriceOverride { deleted_at: None, ..price.clone() })
        .collect();
    let known = own(&known);
    let came = record.created_at;
    let chosen = choose(record, |provider, model| known.at(provider, model, came), catalogue);
    let cost = record.usage.zip(chosen.as_ref()).and_then(|(usage, chosen)| chosen.cost(&usage));
    let snapshot = chosen.map(|chosen| chosen.snapshot_id.to_owned());
    record.price_snapshot_id = snapshot.filter(|_| record.usage.is_some());
    record.cost = cost;
    record.cost_status = if cost.is_some() { CostStatus::Final } else { CostStatus::Unknown };
    record.completed_at = Some(settled);
}

proptest! {
    #[test]
    fn the_catalogue_that_priced_an_exchange_prices_it_again_the_same(
        asked in any_model(), answered in any_model(), usage in any_usage(), prices in any_own_prices(),
        listed in prop::array::uniform2(0..50_u32), came in 0..100_u64, took in 0..50_u64,
    ) {
        let catalogue = catalogue("one", listed);
        let mut record = record(&asked, &answered, usage, at(came));
        settle(&mut record, &prices, &catalogue, at(came + took));
        let again = reprice(&record, Some(&own(&prices)), &catalogue).unwrap();
        prop_assert_eq!(again, Repriced { then: record.cost, now: record.cost });
    }

    #[test]
    fn another_catalogue_changes_what_it_prices_and_nothing_else(
        asked in any_model(), answered in any_model(), usage in any_usage(), prices in any_own_prices(),
        listed in prop::array::uniform2(0..50_u32), other in prop::array::uniform2(0..50_u32), came in 0..100_u64,
    ) {
        let (first, second) = (catalogue("one", listed), catalogue("two", other));
        let mut record = record(&asked, &answered, usage, at(came));
        settle(&mut record, &prices, &first, at(came + 1));
        let by_own = record.price_snapshot_id.as_deref().is_some_and(|id| id.starts_with("override-"));
        let found = reprice(&record, Some(&own(&prices)), &second).unwrap();
        prop_assert_eq!(found.then, record.cost);
        if by_own || record.usage.is_none() || listed == other {
            prop_assert_eq!(found.now, record.cost);
        }
        // Without the workspace's own prices it is what a workspace without any would have paid.
        let mut plain = record.clone();
        settle(&mut plain, &[], &second, at(came + 1));
        let expected = if record.usage.is_some() { plain.cost } else { record.cost };
        prop_assert_eq!(reprice(&record, None, &second).unwrap().now, expected);
    }
}

#[test]
fn what_was_not_counted_costs_the_same_at_any_price_and_what_is_open_costs_nothing_yet() {
    let catalogue = catalogue("one", [1, 1]);
    let mut refused = record("a", "a", None, at(1));
    refused.cost = Some(NanoUsd::ZERO);
    let free = Some(NanoUsd::ZERO);
    assert_eq!(reprice(&refused, None, &catalogue), Some(Repriced { then: free, now: free }));
    refused.cost = None;
    assert_eq!(reprice(&refused, None, &catalogue), Some(Repriced { then: None, now: None }));
    refused.outcome = Outcome::Pending;
    assert_eq!(reprice(&refused, None, &catalogue), None);
}

#[test]
fn differences_do_not_overflow_and_need_both_sides() {
    let of = |then: Option<i64>, now: Option<i64>| {
        Repriced { then: then.map(NanoUsd::from_nanos), now: now.map(NanoUsd::from_nanos) }.difference()
    };
    assert_eq!(of(Some(i64::MIN), Some(i64::MAX)), Some(i128::from(i64::MAX) - i128::from(i64::MIN)));
    assert_eq!((of(None, Some(1)), of(Some(1), None)), (None, None));
}
