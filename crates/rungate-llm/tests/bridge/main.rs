//! The translations between wire formats: every fixture here, what holds for all input in `properties`.
//!
//! A case is a folder under `fixtures/bridge/<direction>/`. In it `request*.json`, `answer*.json`, `error*.<status>.json`
//! and `stream*.sse` are what comes in; what goes out stands beside it as `….expected.*`, with `….dropped.json` for the
//! fields left out and `….refused.json` for a request that is refused. `context.json` names the files that want another
//! model or the usage of their stream. `UPDATE_GOLDEN=1` writes what goes out anew.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod properties;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rungate_llm::bridge::{AnswerContext, Bridge, TranslateError};
use rungate_llm::sse::{Event, Splitter};
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
                match self.bridge.request(content, model, true) {
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
    let mut splitter = Splitter::new(1 << 20);
    let mut events = Vec::new();
    splitter.push(&content.to_vec().into(), &mut events).unwrap();
    events.extend(splitter.finish());
    events
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

#[test]
fn a_provider_that_knows_no_stream_options_is_not_sent_any() {
    let body = br#"{"model": "m", "max_tokens": 9, "stream": true, "messages": []}"#;
    let request = Bridge::MessagesToChat.request(body, "m", false).unwrap();
    let request: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&request["stream"], request.get("stream_options")), (&json!(true), None));
}
