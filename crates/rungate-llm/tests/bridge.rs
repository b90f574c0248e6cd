//! The translations between wire formats: every fixture, and what holds for all input.
//!
//! A case is a folder under `fixtures/bridge/<direction>/`. In it `request*.json`, `answer*.json`, `error*.<status>.json`
//! and `stream*.sse` are what comes in; what goes out stands beside it as `….expected.*`, with `….dropped.json` for the
//! fields left out and `….refused.json` for a request that is refused. `context.json` names the files that want another
//! model or the usage of their stream. `UPDATE_GOLDEN=1` writes what goes out anew.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rungate_llm::bridge::{AnswerContext, Bridge, TranslateError};
use rungate_llm::sse::Event;
use serde_json::{Value, json};

const DIRECTIONS: [(&str, Bridge); 2] =
    [("chat_to_messages", Bridge::ChatToMessages), ("messages_to_chat", Bridge::MessagesToChat)];

fn context(include_usage: bool) -> AnswerContext {
    AnswerContext { model: "model-asked-for".to_owned(), created: 1_700_000_000, include_usage }
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn cases() -> Vec<(Bridge, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bridge");
    DIRECTIONS
        .iter()
        .flat_map(|(name, bridge)| folders(&root.join(name)).into_iter().map(|folder| (*bridge, folder)))
        .collect()
}

/// One folder: its files by name, those that come in apart from those that go out.
struct Case {
    bridge: Bridge,
    incoming: BTreeMap<String, Vec<u8>>,
    outgoing: BTreeMap<String, Vec<u8>>,
    context: Value,
}

impl Case {
    fn read(bridge: Bridge, folder: &Path) -> Self {
        let mut case =
            Self { bridge, incoming: BTreeMap::new(), outgoing: BTreeMap::new(), context: Value::Null };
        for path in folders(folder) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let content = fs::read(&path).unwrap();
            if name == "context.json" {
                case.context = serde_json::from_slice(&content).unwrap();
            } else if [".expected.", ".dropped.", ".refused."].iter().any(|mark| name.contains(mark)) {
                case.outgoing.insert(name, content);
            } else {
                case.incoming.insert(name, content);
            }
        }
        case
    }

    fn translate_all(&self) -> BTreeMap<String, Vec<u8>> {
        self.incoming.iter().flat_map(|(name, content)| self.translate(name, content)).collect()
    }

    fn translate(&self, name: &str, content: &[u8]) -> Vec<(String, Vec<u8>)> {
        let (stem, extension) = name.rsplit_once('.').unwrap();
        let out = |mark: &str, content: Vec<u8>| (format!("{stem}.{mark}.{extension}"), content);
        match stem.split('.').next().unwrap() {
            "request" => {
                let model = self.context["models"][name].as_str().unwrap_or("provider-model");
                match self.bridge.request(content, model) {
                    Ok(request) => {
                        let mut files = vec![out("expected", indented(&request.body))];
                        if !request.dropped.is_empty() {
                            files.push(out(
                                "dropped",
                                indented(json!(request.dropped).to_string().as_bytes()),
                            ));
                        }
                        files
                    }
                    Err(error) => vec![out("refused", refusal(&error))],
                }
            }
            "answer" => match self.bridge.answer(content, &context(false)) {
                Ok(body) => vec![out("expected", indented(&body))],
                Err(error) => vec![out("expected", format!("{error}\n").into_bytes())],
            },
            "error" => {
                let status = stem.rsplit('.').next().unwrap().parse().unwrap();
                let body = self.bridge.error(status, content);
                vec![out("expected", body.map_or_else(|| b"none\n".to_vec(), |body| indented(&body)))]
            }
            "stream" => {
                let asked = self.context["include_usage"].as_array();
                let include_usage = asked.is_some_and(|files| files.contains(&json!(name)));
                vec![out("expected", stream(self.bridge, content, include_usage))]
            }
            _ => panic!("{name} is no input that is known"),
        }
    }
}

fn refusal(error: &TranslateError) -> Vec<u8> {
    let (kind, field, why) = match error {
        TranslateError::Unsupported { field, reason } => ("unsupported", field, reason),
        TranslateError::Invalid { field, rule } => ("invalid", field, rule),
    };
    indented(json!({ kind: { "field": field, "why": why } }).to_string().as_bytes())
}

/// What the client is sent for a whole stream; a stream that cannot be translated ends in a line that says why.
fn stream(bridge: Bridge, content: &[u8], include_usage: bool) -> Vec<u8> {
    let mut translator = bridge.stream(context(include_usage));
    let mut out = Vec::new();
    for event in events(content) {
        if let Err(error) = translator.event(&event, &mut out) {
            out.extend_from_slice(format!("!! {error}\n").as_bytes());
            break;
        }
    }
    out
}

fn events(content: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(content);
    let event = |raw: &str| {
        let data: Vec<_> = raw.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        Event { raw: format!("{raw}\n\n").into(), name: None, data: data.join("\n").into() }
    };
    text.split("\n\n").filter(|raw| !raw.is_empty()).map(event).collect()
}

/// The same JSON, a line for each value: only white space between tokens is changed, so that order and spelling show.
fn indented(json: &[u8]) -> Vec<u8> {
    let (mut out, mut depth, mut in_string, mut escaped) = (Vec::new(), 0, false, false);
    let newline = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', 2 * depth));
    };
    for (position, &byte) in json.iter().enumerate() {
        if in_string {
            out.push(byte);
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'{' | b'[' => {
                depth += 1;
                out.push(byte);
                if !matches!(json.get(position + 1), Some(b'}' | b']')) {
                    newline(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth -= 1;
                if !matches!(json[position - 1], b'{' | b'[') {
                    newline(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                newline(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => {
                in_string = byte == b'"';
                out.push(byte);
            }
        }
    }
    out.push(b'\n');
    out
}

#[test]
fn every_fixture_is_translated_as_written() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for (bridge, folder) in cases() {
        let case = Case::read(bridge, &folder);
        let outgoing = case.translate_all();
        let names: BTreeSet<_> = outgoing.keys().chain(case.outgoing.keys()).collect();
        for name in names {
            let path = folder.join(name);
            match (outgoing.get(name), case.outgoing.get(name)) {
                (actual, expected) if actual == expected => {}
                (Some(actual), _) if update => fs::write(path, actual).unwrap(),
                (None, _) if update => fs::remove_file(path).unwrap(),
                (actual, _) => wrong.push(format!(
                    "{}:\n{}",
                    path.display(),
                    actual.map_or("is not written any more".into(), |actual| String::from_utf8_lossy(actual))
                )),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} files differ, UPDATE_GOLDEN=1 writes them:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Every input of every fixture.
fn inputs() -> Vec<Vec<u8>> {
    cases().iter().flat_map(|(bridge, folder)| Case::read(*bridge, folder).incoming.into_values()).collect()
}

/// Feeds an input to everything that reads bytes.
fn translate_in_every_way(input: &[u8]) {
    for (_, bridge) in DIRECTIONS {
        if let Ok(request) = bridge.request(input, "m") {
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
        let there = Bridge::ChatToMessages.request(body.as_bytes(), "there").unwrap();
        let back = Bridge::MessagesToChat.request(&there.body, "back").unwrap();
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
