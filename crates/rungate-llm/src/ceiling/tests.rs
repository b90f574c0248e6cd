use proptest::prelude::*;
use rungate_core::usage::Usage;
use serde_json::{Value, json};

use super::*;
use crate::catalog::Catalogue;
use crate::request::scan;

fn ceiling(operation: Operation, body: &Value, model: Capacity) -> Result<Ceiling, Unbounded> {
    let body = body.to_string();
    let scan = scan(operation, None, body.as_bytes()).unwrap();
    Ceiling::of(operation, &scan, body.as_bytes(), None, model)
}

const SMALL: Capacity = Capacity { context_window: Some(128_000), max_output: Some(16_384) };
const UNKNOWN: Capacity = Capacity { context_window: None, max_output: None };

fn chat(content: &Value) -> Value {
    json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": content}]})
}

#[test]
fn text_is_bounded_by_its_bytes_and_anything_else_by_the_window() {
    let text = ceiling(Operation::ChatCompletions, &chat(&json!("hello")), UNKNOWN).unwrap();
    let length = chat(&json!("hello")).to_string().len() as u64;
    assert_eq!((text.input, text.output), (length + FRAME, 10));
    let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    assert!(ceiling(Operation::ChatCompletions, &chat(&parts), UNKNOWN).is_ok());
    for other in [
        json!([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]),
        json!([{"type": "file", "file": {"file_id": "file-1"}}]),
        json!([{"type": "text", "text": "a"}, {"type": "something_new"}]),
        json!([{"type": "tool_result", "content": [{"type": "image", "source": {}}]}]),
        json!({"odd": true}),
    ] {
        let refused = ceiling(Operation::ChatCompletions, &chat(&other), UNKNOWN).unwrap_err();
        assert_eq!(refused.field, "messages", "{other}");
        assert_eq!(
            ceiling(Operation::ChatCompletions, &chat(&other), SMALL).unwrap().input,
            128_000,
            "{other}"
        );
    }
    // An escape in a name hides nothing.
    let body = r#"{"max_tokens":1,"messages":[{"role":"user","cont\u0065nt":[{"typ\u0065":"image_url"}]}]}"#;
    let hidden = scan(Operation::ChatCompletions, None, body.as_bytes()).unwrap();
    assert!(Ceiling::of(Operation::ChatCompletions, &hidden, body.as_bytes(), None, UNKNOWN).is_err());
}

#[test]
fn output_is_bounded_by_what_is_asked_or_by_the_model() {
    let asked = json!({"messages": [], "max_tokens": 5, "max_completion_tokens": 7, "n": 3});
    let ceiling_of = |body: &Value, model| ceiling(Operation::ChatCompletions, body, model);
    let both = ceiling_of(&asked, SMALL).unwrap();
    assert_eq!((both.output, both.answers), (7, 3));
    assert_eq!(ceiling_of(&json!({"messages": []}), SMALL).unwrap().output, 16_384);
    assert_eq!(ceiling_of(&json!({"messages": []}), UNKNOWN).unwrap_err().field, "max_completion_tokens");
    let best = json!({"prompt": "x", "max_tokens": 5, "best_of": 4});
    assert_eq!(ceiling(Operation::Completions, &best, SMALL).unwrap().answers, 4);
    let response = json!({"input": "x", "max_output_tokens": 9, "previous_response_id": "resp_1"});
    let response = ceiling(Operation::Responses, &response, SMALL).unwrap();
    assert_eq!((response.input, response.output), (128_000, 9));
}

#[test]
fn what_is_charged_by_the_call_has_no_bound() {
    for tools in [json!([{"type": "web_search"}]), json!([{"type": "code_interpreter"}]), json!({"odd": 1})] {
        let body = json!({"input": "x", "max_output_tokens": 9, "tools": tools});
        assert_eq!(ceiling(Operation::Responses, &body, SMALL).unwrap_err().field, "tools", "{tools}");
    }
    let body = json!({"messages": [], "web_search_options": {}});
    assert_eq!(ceiling(Operation::ChatCompletions, &body, SMALL).unwrap_err().field, "web_search_options");
    let own = json!({"messages": [], "max_tokens": 1, "tools": [
        {"type": "function", "function": {"name": "f"}}, {"name": "g", "input_schema": {}}, {"type": "bash_20250124", "name": "bash"},
    ]});
    let own = ceiling(Operation::Messages, &own, UNKNOWN).unwrap();
    assert!(own.input > TOOL_FRAME + NAMED_TOOL);
}

#[test]
fn what_fits_is_the_most_that_fits() {
    let catalogue = Catalogue::embedded().unwrap();
    let model = catalogue.model("openai", "gpt-4o-mini").unwrap();
    let price = &model.prices.iter().next().unwrap().price.clone();
    let ceiling = ceiling(Operation::ChatCompletions, &chat(&json!("hello")), SMALL).unwrap();
    let ceiling = Ceiling { output: 10_000, ..ceiling };
    let all = ceiling.cost(price).unwrap();
    assert_eq!(ceiling.fit(price, all), Some(10_000));
    let room = NanoUsd::from_nanos(all.nanos() / 2);
    let fitting = ceiling.fit(price, room).unwrap();
    assert!(ceiling.cost_of(price, fitting).unwrap() <= room);
    assert!(ceiling.cost_of(price, fitting + 1).unwrap() > room);
    assert_eq!(ceiling.fit(price, NanoUsd::from_nanos(1)), None);
}

proptest! {
    #[test]
    fn no_usage_within_the_bounds_costs_more(
        place in any::<prop::sample::Index>(),
        (input, output, answers) in (0_u64..300_000, 0_u64..50_000, 1_u64..4),
        parts in prop::array::uniform6(0_u64..=100),
        has_sound in any::<bool>(),
    ) {
        static CATALOGUE: std::sync::LazyLock<Catalogue> =
            std::sync::LazyLock::new(|| Catalogue::embedded().unwrap());
        let catalogue = &*CATALOGUE;
        let models: Vec<_> = ["openai", "anthropic", "google", "xai"]
            .iter().flat_map(|provider| catalogue.of_provider(provider))
            .filter(|model| &*model.mode == "chat").collect();
        let model = models[place.index(models.len())];
        let Some(price) = model.prices.iter().next().map(|dated| &dated.price) else { return Ok(()) };
        let ceiling = Ceiling { input, output, answers, has_sound, images: 0, characters: 0, audio_ms: 0 };
        let of = |share: u64, whole: u64| whole * share / 100;
        let used = of(parts[0], input);
        let cached = of(parts[1], used);
        let written = of(parts[2], used - cached);
        let written_1h = of(parts[3], used - cached - written);
        let sound = if has_sound { of(parts[4], used - cached - written - written_1h) } else { 0 };
        let made = of(parts[5], output * answers);
        let usage = Usage {
            input: used, cached_input: cached, cache_write: written, cache_write_1h: written_1h, audio_input: sound,
            output: made, reasoning: of(parts[0], made), ..Usage::default()
        };
        if let (Some(most), Some(cost)) = (ceiling.cost(price), cost(price, &usage)) {
            prop_assert!(cost <= most, "{}: {usage:?} costs {cost}, more than {most}", model.id);
        }
    }
}
