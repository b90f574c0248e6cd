//! The catalogue that the build carries.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;

use rungate_core::money::NanoUsd;
use rungate_core::time::Timestamp;
use rungate_core::usage::Usage;
use rungate_llm::catalog::{Catalogue, Dated, Difference, Model, Price, cost};
use rungate_llm::providers;

/// The day of the import: a later one may have other prices.
fn imported() -> Timestamp {
    Timestamp::parse("2026-11-24T00:00:00Z").unwrap()
}

fn catalogue() -> Catalogue {
    Catalogue::embedded().unwrap()
}

fn models(catalogue: &Catalogue) -> impl Iterator<Item = &Model> {
    catalogue.models().iter()
}

fn cost_of(provider: &str, model: &str, usage: Usage) -> Option<i64> {
    let catalogue = catalogue();
    let price = catalogue.model(provider, model).unwrap().price_at(imported()).unwrap().clone();
    cost(&price, &usage).map(NanoUsd::nanos)
}

#[test]
fn it_lists_at_least_two_thousand_models_of_forty_providers_and_most_have_a_price() {
    let catalogue = catalogue();
    let in_file = include_str!("../catalogue/models.json").lines().count() - 2;
    assert_eq!(catalogue.models().len(), in_file);
    let priced: Vec<&Model> = models(&catalogue).filter(|model| !model.prices.is_empty()).collect();
    let providers: BTreeSet<&str> = priced.iter().map(|model| &*model.provider).collect();
    assert!(priced.len() >= 2_000 && providers.len() >= 40, "{} of {}", priced.len(), providers.len());
    assert!(priced.len() * 10 > in_file * 9, "{} of {in_file}", priced.len());
    let sources: BTreeSet<&str> = priced.iter().map(|model| model.source.as_deref().unwrap()).collect();
    assert_eq!(Vec::from_iter(sources), ["genai-prices", "litellm", "model-prices"]);
    let dated = priced.iter().filter(|model| model.prices.iter().count() > 1).count();
    assert!(dated > 200, "{dated} with the prices of other days");
}

#[test]
fn it_has_models_of_every_provider_that_asks_a_price() {
    let catalogue = catalogue();
    for provider in providers::ALL {
        let offered =
            catalogue.of_provider(provider.id).any(|model| model.offered && !model.prices.is_empty());
        assert_eq!(offered, !provider.any_model, "{}", provider.id);
    }
}

#[test]
fn its_snapshot_is_the_one_that_the_notice_and_the_differences_name() {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Listed {
        snapshot_id: String,
        differences: Vec<Difference>,
    }
    let catalogue = catalogue();
    assert!(include_str!("../catalogue/NOTICE.md").contains(catalogue.snapshot_id()));
    let listed: Listed = serde_json::from_str(include_str!("../catalogue/differences.json")).unwrap();
    assert_eq!(listed.snapshot_id, catalogue.snapshot_id());
    assert!(!listed.differences.is_empty());
    for Difference { model: name, field, values, taken } in &listed.differences {
        let (provider, id) = name.split_once('/').unwrap();
        let model = catalogue.model(provider, id).unwrap();
        assert_eq!(model.source.as_deref(), Some(&**taken), "{name}");
        let price = serde_json::to_value(model.price_at(imported()).unwrap()).unwrap();
        // The source that was taken may say nothing on this price where the others differ.
        assert_eq!(price[field].as_str(), values.get(taken).map(String::as_str), "{name} {field}");
        assert!(values.len() > 1, "{name}");
    }
}

#[test]
fn a_price_of_the_past_is_that_of_the_moment() {
    let catalogue = catalogue();
    let model = catalogue.model("openai", "gpt-5.6").unwrap();
    let thousand = Usage { input: 1_000, output: 1_000, ..Usage::default() };
    let at = |moment| {
        cost(model.price_at(Timestamp::parse(moment).unwrap()).unwrap(), &thousand).map(NanoUsd::nanos)
    };
    assert_eq!(at("2026-08-20T23:59:59Z"), Some(5_000_000 + 30_000_000));
    assert_eq!(at("2026-08-21T00:00:00Z"), Some(4_000_000 + 20_000_000));
}

#[test]
fn every_row_is_what_the_api_can_show() {
    const MODES: [&str; 7] = ["chat", "embedding", "image", "audio", "moderation", "responses", "completion"];
    let catalogue = catalogue();
    for model in models(&catalogue) {
        let name = format!("{}/{}", model.provider, model.id);
        assert!(MODES.contains(&&*model.mode), "{name}: {}", model.mode);
        assert!(!model.modalities.is_empty() && !model.name().is_empty(), "{name}");
        assert_eq!(catalogue.model(&model.provider, &model.id), Some(model), "{name}");
        for Dated { price, .. } in &model.prices {
            let text = serde_json::to_string(price).unwrap();
            assert_eq!(&serde_json::from_str::<Price>(&text).unwrap(), price, "{name}");
        }
    }
}

#[test]
fn a_priced_model_can_price_a_plain_answer_and_is_not_free() {
    let tokens = Usage { input: 1_000_000, output: 1_000_000, ..Usage::default() };
    let input = Usage { output: 0, ..tokens };
    let units = [
        Usage { images: 1, ..Usage::default() },
        Usage { characters: 1_000, ..Usage::default() },
        Usage { audio_ms: 60_000, ..Usage::default() },
    ];
    let catalogue = catalogue();
    for model in models(&catalogue) {
        let name = format!("{}/{}", model.provider, model.id);
        for Dated { price, .. } in &model.prices {
            if price.is_free() {
                assert!(model.mode.as_ref() == "moderation" || model.id.ends_with(":free"), "{name}");
                continue;
            }
            let is_paid = |usage: &Usage| cost(price, usage) > Some(NanoUsd::ZERO);
            match &*model.mode {
                "chat" | "responses" | "completion" => {
                    let cost = cost(price, &tokens).unwrap();
                    assert!(cost > NanoUsd::ZERO && cost.nanos() < 2_000_000_000_000, "{name}: {cost}");
                }
                "embedding" => assert!(is_paid(&input), "{name}"),
                "image" | "audio" => {
                    assert!(is_paid(&tokens) || is_paid(&input) || units.iter().any(is_paid), "{name}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn well_known_models_cost_what_their_makers_ask() {
    let thousand = Usage { input: 1_000, output: 1_000, ..Usage::default() };
    assert_eq!(cost_of("openai", "gpt-4o-mini", thousand), Some(750_000));
    assert_eq!(cost_of("openai", "gpt-4o-mini-2024-07-18", thousand), Some(750_000));
    assert_eq!(cost_of("anthropic", "claude-sonnet-4-5-20250929", thousand), Some(18_000_000));
    let cached = Usage { input: 1_000, cached_input: 600, cache_write: 300, ..Usage::default() };
    assert_eq!(cost_of("anthropic", "claude-sonnet-4-5", cached), Some(300_000 + 180_000 + 1_125_000));
    let minute = Usage { audio_ms: 60_000, ..Usage::default() };
    assert_eq!(cost_of("openai", "whisper-1", minute), Some(6_000_000));
    let long = Usage { input: 200_001, output: 1_000, ..Usage::default() };
    assert_eq!(cost_of("gemini", "gemini-2.5-pro", long), Some(200_001 * 2_500 + 15_000_000));
}

#[test]
fn names_are_found_without_their_provider() {
    let catalogue = catalogue();
    let providers_of =
        |model| catalogue.find_by_model(model).map(|model| &*model.provider).collect::<Vec<_>>();
    assert_eq!(providers_of("gpt-4o-mini"), ["openai"]);
    assert_eq!(providers_of("claude-haiku-4-5"), ["anthropic"]);
    assert!(providers_of("no-such-model").is_empty());
    let fine_tuned = catalogue.model("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc").unwrap();
    assert_eq!(&*fine_tuned.id, "ft:gpt-4o-mini-2024-07-18");
}
