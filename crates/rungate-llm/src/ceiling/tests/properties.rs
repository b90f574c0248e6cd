use bytes::Bytes;
use proptest::prelude::*;
use rungate_core::usage::Usage;

use super::*;
use crate::catalog::{Rate, cost};
use crate::request::lower_output_limit;

fn any_price() -> impl Strategy<Value = Price> {
    let rate =
        || (0..50_000_000_i64).prop_map(|pico| format!("{}.{:06}", pico / 1_000_000, pico % 1_000_000));
    let rates = || prop::array::uniform8(prop::option::of(rate()));
    (rates(), rates(), rates(), 0..1_500_u64, 1..3_000_u64).prop_map(|(base, low, high, above, further)| {
        let object = |rates: [Option<String>; 8]| -> serde_json::Map<String, Value> {
            Rate::ALL.iter().map(|rate| rate.field().to_owned()).zip(rates.map(|rate| json!(rate))).collect()
        };
        let mut map = object(base);
        for required in ["inputPerMTok", "outputPerMTok"] {
            map.entry(required).and_modify(|rate| {
                if rate.is_null() {
                    *rate = json!("1");
                }
            });
        }
        let (mut low, mut high) = (object(low), object(high));
        low.insert("inputPerMTok".to_owned(), json!("2"));
        high.insert("inputPerMTok".to_owned(), json!("0.5"));
        low.insert("aboveInputTokens".to_owned(), json!(above));
        high.insert("aboveInputTokens".to_owned(), json!(above + further));
        map.insert("tiers".to_owned(), json!([low, high]));
        price(Value::Object(map))
    })
}

/// A number of parts that sum up to at most the whole.
fn parts<const N: usize>(whole: u64, shares: [u64; N]) -> [u64; N] {
    let sum = shares.iter().sum::<u64>().max(1);
    shares.map(|share| whole * share / sum)
}

proptest! {
    #[test]
    fn no_usage_within_the_limits_costs_more(
        price in any_price(), words in ".{0,400}", limit in 0..2_000_u64, choices in 1..4_u64,
        with_audio: bool, hour: bool, input_share in 0..=1_000_u64, output_share in 0..=1_000_u64,
        ins in prop::array::uniform5(0..10_u64), outs in prop::array::uniform3(0..10_u64),
    ) {
        let mut content = vec![json!({"type": "text", "text": words})];
        if with_audio {
            content.push(json!({"type": "input_audio", "input_audio": {"data": "AAAA"}}));
        }
        if hour {
            content[0]["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"});
        }
        let mut body = chat(&json!(content));
        body["max_tokens"] = json!(limit);
        body["n"] = json!(choices);
        body["modalities"] = if with_audio { json!(["text", "audio"]) } else { Value::Null };
        let input = if with_audio { WINDOW } else { body.to_string().len() as u64 + OWN_LIMIT / 4 };
        let [_, cached_input, cache_write, cache_write_1h, audio_input] = parts(input * input_share / 1_000, ins);
        let output = limit * choices * output_share / 1_000;
        let [_, reasoning, audio_output] = parts(output, outs);
        let usage = Usage {
            input: input * input_share / 1_000,
            output,
            cached_input,
            cache_write,
            cache_write_1h: if hour { cache_write_1h } else { 0 },
            reasoning,
            audio_input: if with_audio { audio_input } else { 0 },
            audio_output: if with_audio { audio_output } else { 0 },
            ..Usage::default()
        };
        let facts = facts(&price);
        let bound = bound_at(Operation::ChatCompletions, &body, &facts);
        prop_assert!(usage.input <= bound.input_tokens && usage.output <= bound.output_tokens);
        let cost = cost(&price, &usage).unwrap();
        prop_assert!(cost <= bound.cost, "{cost} of {}", bound.cost);
    }

    #[test]
    fn what_is_lowered_to_fit_fits_and_one_more_does_not(
        price in any_price(), limit in prop::option::of(1..3_000_u64), newer in prop::option::of(1..3_000_u64),
        choices in 1..4_u64, share in 0..1_200_i64,
    ) {
        let mut body = json!({"messages": [{"role": "user", "content": "hello"}], "n": choices});
        body["max_tokens"] = json!(limit);
        body["max_completion_tokens"] = json!(newer);
        let demand = read(Operation::ChatCompletions, &body);
        let facts = facts(&price);
        let whole = bound_at(Operation::ChatCompletions, &body, &facts);
        let budget = NanoUsd::from_nanos(whole.cost.nanos() / 1_000 * share);
        let costs = |limit: u64| match demand.lowered_to(limit).ceiling(&facts) {
            Ceiling::Bounded(bound) => bound.cost,
            other => panic!("{other:?}"),
        };
        match demand.fit(&facts, budget) {
            None => prop_assert!(costs(1) > budget),
            Some(fitting) => {
                prop_assert!(costs(fitting) <= budget);
                let each = whole.output_tokens / choices;
                prop_assert!(fitting == each || costs(fitting + 1) > budget);
                // The body that is made of it asks for the same.
                let text = Bytes::from(body.to_string());
                let lowered = lower_output_limit(Operation::ChatCompletions, &text, "m", true, fitting).unwrap();
                let again: Value = serde_json::from_slice(&lowered).unwrap();
                prop_assert_eq!(
                    bound_at(Operation::ChatCompletions, &again, &facts).output_tokens,
                    fitting * choices
                );
            }
        }
    }

    #[test]
    fn no_body_is_too_strange_to_be_read(body in "[\\[\\]{}\",:a-z0-9\\\\u]{0,60}", operation in 0..Operation::ALL.len()) {
        let operation = Operation::ALL[operation];
        let text = format!("{{\"messages\":[{body}],\"input\":\"\",\"prompt\":\"\",\"tools\":[{body}]}}");
        if let Ok(scan) = scan(operation, None, text.as_bytes()) {
            let price = plain_price();
            let _ = Demand::read(operation, &scan, text.as_bytes()).ceiling(&facts(&price));
        }
    }
}
