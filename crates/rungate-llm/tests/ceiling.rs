//! What a request can cost at most, held against what requests have cost: every recorded usage, and every price of the
//! catalogue.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use rungate_core::money::NanoUsd;
use rungate_core::operation::Operation;
use rungate_core::usage::Usage;
use rungate_llm::catalog::{Catalogue, Price, cost};
use rungate_llm::ceiling::{Ceiling, Demand, Facts};
use rungate_llm::providers;
use rungate_llm::request::scan;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    provider: String,
    operation: Operation,
    says: String,
    prices: Price,
    expected: Usage,
    cost_nano_usd: i64,
}

fn read(operation: Operation, body: &Value) -> Demand {
    let body = body.to_string();
    Demand::read(operation, &scan(operation, None, body.as_bytes()).unwrap(), body.as_bytes())
}

/// The cheapest request that could have this usage: text of one byte for each token, and no more output allowed than came.
fn request(operation: Operation, usage: &Usage) -> Value {
    let words = "a".repeat(usize::try_from(usage.input).unwrap());
    let mut text = json!({"type": "text", "text": words});
    if usage.cache_write_1h > 0 {
        text["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"});
    }
    let mut content = vec![text];
    if usage.audio_input > 0 {
        content.push(json!({"type": "input_audio", "input_audio": {"data": "AAAA"}}));
    }
    let messages = json!([{"role": "user", "content": content}]);
    let mut body = match operation {
        Operation::Responses => json!({"input": messages, "max_output_tokens": usage.output}),
        _ => json!({"messages": messages, "max_tokens": usage.output}),
    };
    if usage.audio_output > 0 {
        body["modalities"] = json!(["text", "audio"]);
    }
    body
}

#[test]
fn every_recorded_usage_costs_at_most_the_ceiling_of_its_request() {
    let recorded: Vec<Recorded> = serde_json::from_str(include_str!("recorded/usage.json")).unwrap();
    for recorded in &recorded {
        let name = format!("{}: {}", recorded.provider, recorded.says);
        let provider = providers::find(&recorded.provider).unwrap();
        let facts = Facts {
            context_window: Some(1_000_000),
            ..Facts::new(provider, "m", None, Some(&recorded.prices))
        };
        let demand = read(recorded.operation, &request(recorded.operation, &recorded.expected));
        let Ceiling::Bounded(bound) = demand.ceiling(&facts) else { panic!("{name}") };
        assert!(bound.input_tokens >= recorded.expected.input, "{name}");
        assert!(bound.output_tokens >= recorded.expected.output, "{name}");
        assert!(bound.cost >= NanoUsd::from_nanos(recorded.cost_nano_usd), "{name}: {bound:?}");
    }
}

#[test]
fn no_price_of_the_catalogue_exceeds_the_ceiling() {
    let catalogue = Catalogue::embedded().unwrap();
    let usages = [
        Usage { input: 900, output: 500, ..Usage::default() },
        Usage { input: 900, output: 500, cached_input: 900, reasoning: 500, ..Usage::default() },
        Usage { input: 900, output: 500, cache_write: 900, ..Usage::default() },
        Usage { input: 900, output: 500, cache_write_1h: 450, cached_input: 450, ..Usage::default() },
        Usage { input: 900, output: 500, audio_input: 900, audio_output: 500, ..Usage::default() },
        Usage { input: 300_000, output: 500, cache_write: 100_000, ..Usage::default() },
    ];
    let demands =
        usages.map(|usage| read(Operation::ChatCompletions, &request(Operation::ChatCompletions, &usage)));
    let openai = providers::find("openai").unwrap();
    let mut bounded = 0;
    for model in catalogue.models() {
        for dated in &model.prices {
            let facts = Facts {
                context_window: Some(1_000_000),
                ..Facts::new(openai, "m", Some(model), Some(&dated.price))
            };
            for (usage, demand) in usages.iter().zip(&demands) {
                let Ceiling::Bounded(bound) = demand.ceiling(&facts) else { continue };
                let cost = cost(&dated.price, usage).unwrap();
                assert!(cost <= bound.cost, "{}/{}: {cost} of {}", model.provider, model.id, bound.cost);
                bounded += 1;
            }
        }
    }
    assert!(bounded > 4_000 * usages.len(), "{bounded}");
}
