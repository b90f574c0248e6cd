//! What holds of the translations for all input: nothing panics, and what goes there and back is as it was.

use proptest::prelude::*;
use rungate_llm::bridge::Bridge;
use serde_json::{Value, json};

use super::{Case, DIRECTIONS, cases, context, events, stream};

/// Every input of every fixture.
fn inputs() -> Vec<Vec<u8>> {
    cases().iter().flat_map(|(bridge, folder)| Case::read(*bridge, folder).incoming.into_values()).collect()
}

/// Feeds an input to everything that reads bytes.
fn translate_in_every_way(input: &[u8]) {
    for (_, bridge) in DIRECTIONS {
        if let Ok(request) = bridge.request(input, "m", true) {
            serde_json::from_slice::<Value>(&request.body).unwrap();
        }
        if let Ok(body) = bridge.answer(input, &context(true)) {
            serde_json::from_slice::<Value>(&body).unwrap();
        }
        if let Some(body) = bridge.error(500, input) {
            serde_json::from_slice::<Value>(&body).unwrap();
        }
        stream(bridge, input, true);
    }
}

/// Replaces the value at `place`, counted depth first.
fn replace(value: &mut Value, place: &mut usize, by: &Value) {
    if *place == 0 {
        *value = by.clone();
    }
    *place = place.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, place, by)),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, place, by)),
        _ => {}
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("type|role|content|text|[a-z]{1,4}", inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// One exchange: what the user said, the calls that were made with their results, and the answer.
#[derive(Debug, Clone)]
struct Exchange {
    said: String,
    calls: Vec<(String, String, String)>,
    answer: String,
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let text = "[a-zA-Zäß\"\\\\\n ]{0,12}[a-z]";
    let arguments = "[a-z\"]{0,6}".prop_map(|text| format!("{{\"x\": 1.10, \"t\":{}}}", Value::from(text)));
    let call = ("[a-z_]{1,8}", arguments, text);
    (text, prop::collection::vec(call, 0..3), text).prop_map(|(said, calls, answer)| Exchange {
        said,
        calls,
        answer,
    })
}

fn chat_messages(system: &str, exchanges: &[Exchange]) -> Vec<Value> {
    let mut messages = vec![json!({"role": "system", "content": system})];
    for (turn, Exchange { said, calls, answer }) in exchanges.iter().enumerate() {
        messages.push(json!({"role": "user", "content": said}));
        if !calls.is_empty() {
            let id = |call: usize| format!("call_{turn}_{call}");
            let tool_calls: Vec<_> = calls
                .iter()
                .enumerate()
                .map(|(call, (name, arguments, _))| {
                    json!({"id": id(call), "type": "function", "function": {"name": name, "arguments": arguments}})
                })
                .collect();
            messages.push(json!({"role": "assistant", "content": null, "tool_calls": tool_calls}));
            messages.extend(calls.iter().enumerate().map(
                |(call, (_, _, result))| json!({"role": "tool", "tool_call_id": id(call), "content": result}),
            ));
        }
        messages.push(json!({"role": "assistant", "content": answer}));
    }
    messages
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn spoilt_bytes_are_refused_without_a_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let inputs = inputs();
        let mut input = which.get(&inputs).clone();
        for (place, byte) in changes {
            let place = place.index(input.len());
            input[place] = byte;
        }
        if cut {
            input.truncate(length.index(input.len()));
        }
        translate_in_every_way(&input);
    }

    #[test]
    fn json_of_any_other_shape_is_refused_without_a_panic(
        which in any::<prop::sample::Index>(),
        place in 0_usize..60,
        by in any_json(),
    ) {
        let inputs = inputs();
        let input = which.get(&inputs);
        if let Ok(mut value) = serde_json::from_slice::<Value>(input) {
            replace(&mut value, &mut { place }, &by);
            translate_in_every_way(value.to_string().as_bytes());
        }
        let mut spoilt = Vec::new();
        for (number, mut event) in events(input).into_iter().enumerate() {
            if let Ok(mut value) = serde_json::from_slice::<Value>(&event.data) {
                replace(&mut value, &mut { place.wrapping_sub(number) }, &by);
                event.data = value.to_string().into();
            }
            spoilt.push(event);
        }
        for (_, bridge) in DIRECTIONS {
            let mut translator = bridge.stream(context(true));
            for event in &spoilt {
                let _ = translator.event(event, &mut Vec::new());
            }
        }
    }

    #[test]
    fn a_conversation_comes_back_as_it_was(
        system in "[a-z ]{0,10}[a-z]",
        exchanges in prop::collection::vec(exchange(), 1..4),
    ) {
        let messages = chat_messages(&system, &exchanges);
        let body = json!({"model": "m", "max_tokens": 9, "messages": messages}).to_string();
        let there = Bridge::ChatToMessages.request(body.as_bytes(), "there", true).unwrap();
        let back = Bridge::MessagesToChat.request(&there.body, "back", true).unwrap();
        prop_assert_eq!((there.dropped, back.dropped), (vec![], vec![]));
        let back: Value = serde_json::from_slice(&back.body).unwrap();
        prop_assert_eq!(&back["messages"], &Value::from(messages));
    }

    #[test]
    fn an_answer_comes_back_as_it_was(exchange in exchange()) {
        let Exchange { answer, calls, .. } = exchange;
        let tool_calls: Vec<_> = calls
            .iter()
            .enumerate()
            .map(|(call, (name, arguments, _))| {
                json!({"id": format!("call_{call}"), "type": "function", "function": {"name": name, "arguments": arguments}})
            })
            .collect();
        let completion = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": answer, "tool_calls": tool_calls},
                "finish_reason": if calls.is_empty() { "stop" } else { "tool_calls" },
            }],
            "usage": {"prompt_tokens": 30, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 10}},
        });
        let message = Bridge::MessagesToChat.answer(completion.to_string().as_bytes(), &context(false)).unwrap();
        let back = Bridge::ChatToMessages.answer(&message, &context(false)).unwrap();
        let back: Value = serde_json::from_slice(&back).unwrap();
        let choice = &back["choices"][0];
        prop_assert_eq!(&back["id"], &completion["id"]);
        prop_assert_eq!(&choice["message"]["content"], &Value::from(answer));
        let calls_back = choice["message"].get("tool_calls").cloned().unwrap_or(json!([]));
        prop_assert_eq!(calls_back, Value::from(tool_calls));
        prop_assert_eq!(&choice["finish_reason"], &completion["choices"][0]["finish_reason"]);
        prop_assert_eq!(&back["usage"]["prompt_tokens"], 30);
        prop_assert_eq!(&back["usage"]["prompt_tokens_details"]["cached_tokens"], 10);
        prop_assert_eq!(&back["usage"]["total_tokens"], 34);
    }
}
