//! The catalogue that the build carries.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use rungate_core::money::NanoUsd;
use rungate_core::usage::Usage;
use rungate_llm::catalog::{Catalogue, Model, Price, cost};
use rungate_llm::providers;

fn catalogue() -> Catalogue {
    Catalogue::embedded().unwrap()
}

fn models(catalogue: &Catalogue) -> impl Iterator<Item = &Model> {
    providers::ALL.iter().flat_map(|provider| catalogue.of_provider(provider.id))
}

fn cost_of(provider: &str, model: &str, usage: Usage) -> Option<i64> {
    let catalogue = catalogue();
    let price = catalogue.model(provider, model).unwrap().price.clone().unwrap();
    cost(&price, &usage).map(NanoUsd::nanos)
}

#[test]
fn it_lists_models_of_our_providers_only_and_most_have_a_price() {
    let catalogue = catalogue();
    let in_file = include_str!("../catalogue/models.json").lines().count() - 2;
    let listed = models(&catalogue).count();
    assert_eq!(listed, in_file, "a model of a provider that is not in the registry");
    assert!(listed > 300, "{listed}");
    let priced = models(&catalogue).filter(|model| model.price.is_some()).count();
    assert!(priced * 10 > listed * 9, "{priced} of {listed}");
}

#[test]
fn its_snapshot_is_the_one_that_the_notice_names() {
    let notice = include_str!("../catalogue/NOTICE.md");
    let catalogue = catalogue();
    assert!(catalogue.snapshot_id().starts_with("litellm-"), "{}", catalogue.snapshot_id());
    assert!(notice.contains(catalogue.snapshot_id()));
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
        if let Some(price) = &model.price {
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
        let Some(price) = &model.price else { continue };
        let name = format!("{}/{}", model.provider, model.id);
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
