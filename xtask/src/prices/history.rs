//! The snapshot of model-prices, `snapshot.json`: models.dev's prices through its history, corrected where a maker's page
//! said something else.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rungate_core::money::parse_scaled;
use rungate_core::time::Timestamp;
use rungate_llm::catalog::import::listing::{Given, Listing, dated, is_name, price};
use rungate_llm::catalog::import::providers::{Source, ours};
use rungate_llm::catalog::{Prices, Rate};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// Numbers stay text, so that no price goes through a float.
type Fields = BTreeMap<String, Box<RawValue>>;

#[derive(Deserialize)]
struct Snapshot {
    /// By provider and model, each with its price lists by mode.
    prices: BTreeMap<String, BTreeMap<String, Modes>>,
}

#[derive(Deserialize)]
struct Modes {
    #[serde(default)]
    standard: Vec<Entry>,
    /// Of models that ask more for an answer that was thought about.
    #[serde(default)]
    thinking: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    start: Option<Timestamp>,
    rates: Option<Fields>,
}

const RATES: [(Rate, &str); 4] = [
    (Rate::Input, "input"),
    (Rate::Output, "output"),
    (Rate::CachedInput, "cache_read"),
    (Rate::CacheWrite, "cache_write"),
];

/// Decimals of a multiple: `2.5`.
const MULTIPLE_DECIMALS: i32 = 3;

/// Reads the snapshot.
pub fn read(text: &str) -> Result<Given> {
    let snapshot: Snapshot = serde_json::from_str(text).context("not the snapshot of model-prices")?;
    let mut given = Given::default();
    for (their_id, models) in &snapshot.prices {
        given.rows += models.len();
        let provider = ours(Source::ModelPrices, their_id);
        for (id, modes) in models {
            match provider {
                None => given.skip("provider that is not listed"),
                Some(_) if !is_name(id) => given.skip("no name of a model"),
                Some(provider) => {
                    let listing = listing(provider, id, modes, &mut given);
                    given.models.insert((provider, id.clone()), listing);
                }
            }
        }
    }
    Ok(given)
}

fn listing(provider: &'static str, id: &str, modes: &Modes, given: &mut Given) -> Listing {
    let mode = if id.contains("embed") { "embedding" } else { "chat" };
    let prices = prices(modes, mode, id).unwrap_or_else(|why| {
        given.unpriced(why, format!("{provider}/{id}"));
        Prices::default()
    });
    Listing {
        provider,
        id: id.to_owned(),
        mode,
        offered: true,
        context_window: None,
        max_output_tokens: None,
        modalities: vec!["text"],
        capabilities: Vec::new(),
        source: None,
        prices,
    }
}

fn prices(modes: &Modes, mode: &str, id: &str) -> Result<Prices, String> {
    if !modes.thinking.is_empty() {
        return Err("depends on whether it thinks".to_owned());
    }
    if ["image", "tts", "transcribe", "live", "realtime", "audio", "omni"]
        .iter()
        .any(|kind| id.contains(kind))
    {
        return Err("one price for texts and for images or sound".to_owned());
    }
    let mut oldest_first = Vec::new();
    for entry in &modes.standard {
        let Some(rates) = &entry.rates else { return Err("asked nothing for a time".to_owned()) };
        match price(fields(rates)?, mode, id)? {
            Some(price) => oldest_first.push((entry.start, price)),
            None => return Err("asked nothing for a time".to_owned()),
        }
    }
    dated(oldest_first)
}

fn fields(rates: &Fields) -> Result<Map<String, Value>, String> {
    let mut fields = of_tokens(rates);
    // Embeddings have no output to ask for.
    if fields.get(Rate::Output.field()).is_some_and(|output| output == "0") {
        fields.remove(Rate::Output.field());
    }
    if let (Some(input), Some(multiple)) = (rates.get("input"), rates.get("cache_write_1h_multiple")) {
        let exact = |raw: &RawValue, decimals| {
            parse_scaled(raw.get(), decimals).map_err(|_| "cannot be held exactly")
        };
        let product = i128::from(exact(input, 6)?) * i128::from(exact(multiple, MULTIPLE_DECIMALS)?);
        fields.insert(Rate::CacheWrite1h.field().to_owned(), json!(format!("{product}e-9")));
    }
    if let Some(tiers) = rates.get("tiers") {
        let tiers: Vec<Fields> = serde_json::from_str(tiers.get()).map_err(|error| error.to_string())?;
        let tiers = tiers.iter().map(|tier| {
            let mut fields = of_tokens(tier);
            let above = tier.get("above").and_then(|above| above.get().parse::<u64>().ok());
            fields.insert("aboveInputTokens".to_owned(), json!(above));
            Value::Object(fields)
        });
        fields.insert("tiers".to_owned(), tiers.collect());
    }
    Ok(fields)
}

/// A number with a needless `.0` is written without.
fn of_tokens(rates: &Fields) -> Map<String, Value> {
    let stated = RATES.iter().filter_map(|(rate, theirs)| Some((rate, rates.get(*theirs)?)));
    stated
        .map(|(rate, raw)| {
            let text = raw.get().strip_suffix(".0").unwrap_or(raw.get());
            (rate.field().to_owned(), json!(text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_becomes_dated_prices_and_repetitions_one() {
        let given = read(
            r#"{"prices": {"openai": {"a": {"standard": [
                {"start": null, "rates": {"input": 5.0, "output": 30.0, "cache_read": 0.5, "cache_write_1h_multiple": 2.5,
                    "tiers": [{"above": 272000, "input": 10.0, "output": 45.0}], "source": "x"}},
                {"start": "2026-08-21T00:00:00Z", "rates": {"input": 4.0, "output": 20.0}},
                {"start": "2026-08-25T00:00:00Z", "rates": {"input": 4.0, "output": 20.0}}]},
                "b": {"standard": [{"start": null, "rates": {"input": 1.0, "output": 2.0}}], "thinking": [{"start": null, "rates": null}]}},
                "nobody": {"c": {"standard": []}}}}"#,
        )
        .unwrap();
        let prices = &given.models[&("openai", "a".to_owned())].prices;
        assert_eq!(
            serde_json::to_string(prices).unwrap(),
            concat!(
                r#"[{"from":"2026-08-21T00:00:00.000Z","inputPerMTok":"4","outputPerMTok":"20"},"#,
                r#"{"inputPerMTok":"5","outputPerMTok":"30","cachedInputPerMTok":"0.5","cacheWrite1hPerMTok":"12.5","#,
                r#""tiers":[{"aboveInputTokens":272000,"inputPerMTok":"10","outputPerMTok":"45"}]}]"#
            )
        );
        assert_eq!(given.unpriced["depends on whether it thinks"], ["openai/b"]);
        assert_eq!(given.skipped["provider that is not listed"], 1);
    }
}
