//! One catalogue out of what the sources gave, and where they differ.
//!
//! LiteLLM's price is taken where it has one, else that of model-prices, else that of genai-prices. A source that dates
//! its prices wins over LiteLLM where it has LiteLLM's price as one that is no longer asked: that is the newer evidence.
//! Models that only the other two list, of a provider that LiteLLM covers, are not offered: they keep withdrawn ones.
//! What a model cost before is taken from the first source that dates its prices and agrees on what it costs now.

use std::collections::{BTreeMap, BTreeSet};

use rungate_core::time::Timestamp;
use rungate_llm::catalog::import::listing::{Given, Listing, Name};
use rungate_llm::catalog::import::providers::Source;
use rungate_llm::catalog::{Dated, Difference, Price, Prices, Rate, Unit};

/// By source, in the order they are preferred.
pub type Sources = BTreeMap<Source, Given>;

/// A model is the same whose input and output cost the same.
const BASIS: [Rate; 2] = [Rate::Input, Rate::Output];

/// Every model with its prices, and every price that two sources state otherwise. `now` is the moment of the import.
pub fn merge(sources: &Sources, now: Timestamp) -> (Vec<Listing>, Vec<Difference>) {
    let names: BTreeSet<&Name> = sources.values().flat_map(|given| given.models.keys()).collect();
    let covered: BTreeSet<&str> = sources
        .get(&Source::LiteLlm)
        .into_iter()
        .flat_map(|given| given.models.keys())
        .map(|(provider, _)| *provider)
        .collect();
    let mut differences = Vec::new();
    let models = names.into_iter().filter_map(|name| {
        let stated: Vec<(Source, &Listing)> =
            sources.iter().filter_map(|(source, given)| Some((*source, given.find(name)?))).collect();
        let (first_source, first) = stated.first()?;
        let priced: Vec<(Source, &Prices)> = stated
            .iter()
            .filter(|(_, listing)| !listing.prices.is_empty() && asks_alike(listing.mode, first.mode))
            .map(|(source, listing)| (*source, &listing.prices))
            .collect();
        let offered = *first_source == Source::LiteLlm || !covered.contains(name.0);
        let listed = || Listing { id: name.1.clone(), offered, ..(*first).clone() };
        let Some((taken, dated)) = taken(&priced, now) else {
            return Some(Listing { prices: Prices::default(), ..listed() });
        };
        differences.extend(differences_of(name, &priced, taken, now));
        let context = stated.iter().find_map(|(_, listing)| listing.context_window);
        Some(Listing { context_window: context, source: Some(taken.name()), prices: dated, ..listed() })
    });
    let models = models.collect();
    (models, differences)
}

/// Whether a price for the one use can be that for the other: what is written is all asked for alike.
fn asks_alike(one: &str, other: &str) -> bool {
    let writes = |mode: &str| ["chat", "responses", "completion"].contains(&mode);
    one == other || (writes(one) && writes(other))
}

fn taken(priced: &[(Source, &Prices)], now: Timestamp) -> Option<(Source, Prices)> {
    let (first, own) = *priced.first()?;
    let current = own.at(now)?;
    let dating = || priced.iter().filter(|(source, _)| *source != Source::LiteLlm);
    if first != Source::LiteLlm {
        return Some((first, own.clone()));
    }
    let is_over = |prices: &Prices| {
        let begun = |dated: &&Dated| dated.from.is_none_or(|from| from <= now);
        let mut begun = prices.iter().filter(begun);
        begun.next().is_some_and(|newest| !same(&newest.price, current))
            && begun.any(|dated| same(&dated.price, current))
    };
    if let Some((source, newer)) = dating().find(|(_, prices)| is_over(prices)) {
        return Some((*source, (*newer).clone()));
    }
    let agreeing = dating().find(|(_, prices)| prices.at(now).is_some_and(|newest| same(newest, current)));
    let with_history = agreeing.map(|(_, history)| replaced(history, current, now));
    Some((first, with_history.unwrap_or_else(|| own.clone())))
}

fn same(one: &Price, other: &Price) -> bool {
    BASIS.iter().all(|rate| one.rates(0).get(*rate) == other.rates(0).get(*rate))
}

/// A history with `current` in the place of what is asked now.
fn replaced(history: &Prices, current: &Price, now: Timestamp) -> Prices {
    let in_force = history.iter().position(|dated| dated.from.is_none_or(|from| from <= now));
    let newest_first: Vec<Dated> = history
        .iter()
        .enumerate()
        .map(|(at, dated)| match in_force {
            Some(in_force) if at == in_force => Dated { price: current.clone(), from: dated.from },
            _ => dated.clone(),
        })
        .collect();
    // The dates are those of the history, so their order is.
    Prices::new(newest_first).unwrap_or_else(|_| Prices::from(current.clone()))
}

/// Where two sources state the same price otherwise. That one states none is no difference.
fn differences_of(
    name: &Name,
    priced: &[(Source, &Prices)],
    taken: Source,
    now: Timestamp,
) -> Vec<Difference> {
    let stated: Vec<(Source, serde_json::Value)> = priced
        .iter()
        .filter_map(|(source, prices)| Some((*source, serde_json::to_value(prices.at(now)?).ok()?)))
        .collect();
    let fields = Rate::ALL.map(Rate::field).into_iter().chain(Unit::ALL.map(Unit::field));
    let differences = fields.filter_map(|field| {
        let values: BTreeMap<String, String> = stated
            .iter()
            .filter_map(|(source, price)| Some((source.name().to_owned(), price[field].as_str()?.to_owned())))
            .collect();
        let differ = values.values().collect::<BTreeSet<_>>().len() > 1;
        differ.then(|| Difference {
            model: format!("{}/{}", name.0, name.1),
            field: field.to_owned(),
            values,
            taken: taken.name().to_owned(),
        })
    });
    differences.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn given(models: &[(&str, Value)]) -> Given {
        let mut given = Given::default();
        for (id, prices) in models {
            let listing = Listing {
                provider: "openai",
                id: (*id).to_owned(),
                mode: "chat",
                offered: true,
                context_window: None,
                max_output_tokens: None,
                modalities: vec!["text"],
                capabilities: Vec::new(),
                source: None,
                prices: serde_json::from_value(prices.clone()).unwrap(),
            };
            given.models.insert(("openai", (*id).to_owned()), listing);
        }
        given
    }

    fn ask(input: &str) -> Value {
        json!({"inputPerMTok": input, "outputPerMTok": "9"})
    }

    fn from(day: &str, price: Value) -> Value {
        let mut price = price;
        price["from"] = json!(format!("{day}T00:00:00Z"));
        price
    }

    /// The source that was taken and its prices, and the differences.
    fn merged(
        litellm: Option<Value>,
        history: Option<Value>,
        genai: Option<Value>,
    ) -> (String, Vec<Difference>) {
        let one = |prices: Option<Value>| {
            given(&prices.map(|prices| ("m", prices)).into_iter().collect::<Vec<_>>())
        };
        let sources = Sources::from([
            (Source::LiteLlm, one(litellm)),
            (Source::ModelPrices, one(history)),
            (Source::GenaiPrices, one(genai)),
        ]);
        let now = Timestamp::parse("2026-11-24T00:00:00Z").unwrap();
        let (models, differences) = merge(&sources, now);
        let asked: Vec<String> = models[0]
            .prices
            .iter()
            .map(|dated| {
                let input = dated.price.rates(0).get(Rate::Input).unwrap() / 1_000_000;
                dated.from.map_or(input.to_string(), |from| format!("{input}@{}", from.day()))
            })
            .collect();
        (format!("{} {}", models[0].source.unwrap(), asked.join(" ")), differences)
    }

    #[test]
    fn the_first_source_with_a_price_is_taken() {
        assert_eq!(merged(Some(ask("1")), Some(ask("2")), Some(ask("3"))).0, "litellm 1");
        assert_eq!(merged(None, Some(ask("2")), Some(ask("3"))).0, "model-prices 2");
        assert_eq!(merged(None, None, Some(ask("3"))).0, "genai-prices 3");
    }

    #[test]
    fn a_price_that_another_source_knows_to_be_over_is_not_taken() {
        let history = json!([from("2026-09-01", ask("2")), ask("1")]);
        assert_eq!(merged(Some(ask("1")), Some(history.clone()), None).0, "model-prices 2@2026-09-01 1");
        assert_eq!(merged(Some(ask("1")), None, Some(history.clone())).0, "genai-prices 2@2026-09-01 1");
        assert_eq!(merged(Some(ask("5")), Some(history), None).0, "litellm 5");
    }

    #[test]
    fn what_a_model_cost_before_comes_from_who_agrees_on_what_it_costs_now() {
        let history = json!([from("2027-01-01", ask("9")), from("2026-09-01", ask("2")), ask("1")]);
        assert_eq!(merged(Some(ask("2")), Some(history), None).0, "litellm 9@2027-01-01 2@2026-09-01 1");
    }

    #[test]
    fn differences_name_what_each_says_and_who_was_taken() {
        let (_, differences) = merged(Some(ask("1")), Some(ask("1.0")), Some(ask("2")));
        let stated = |source: &str, value: &str| (source.to_owned(), value.to_owned());
        assert_eq!(
            differences,
            [Difference {
                model: "openai/m".to_owned(),
                field: "inputPerMTok".to_owned(),
                values: [stated("litellm", "1"), stated("model-prices", "1"), stated("genai-prices", "2")]
                    .into(),
                taken: "litellm".to_owned(),
            }]
        );
        let only_one = json!({"inputPerMTok": "1", "outputPerMTok": "9", "cachedInputPerMTok": "0.5"});
        assert!(merged(Some(only_one), Some(ask("1")), None).1.is_empty());
    }
}
