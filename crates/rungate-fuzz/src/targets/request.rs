//! The request scanner and its rewriting. First line: the operation as a letter, then the `content-type` of a form, if
//! any; then the body. Compared with a reader that knows no tricks.

use bytes::Bytes;
use rungate_core::operation::Operation;
use rungate_llm::request::{Scan, ScanError, rewrite, scan};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::input::Input;

/// What the scanner looks at on the top level: none may stand twice.
const LOOKED_AT: [&str; 7] = ["model", "stream", "stream_options", "n", "messages", "input", "prompt"];
const NEW_MODEL: &str = "another/\"model\"\\ü";
const NEW_FORM_MODEL: &str = "another/model-ü";

/// Every property of the scanner for one body.
pub fn run(data: &[u8]) {
    let input = Input::of(data);
    let operation = Operation::ALL[usize::from(input.choice(0).wrapping_sub(b'A')) % Operation::ALL.len()];
    let content_type = input.choices.get(1..).and_then(|text| std::str::from_utf8(text).ok());
    let content_type = content_type.filter(|text| !text.is_empty());
    let body = Bytes::copy_from_slice(input.body);
    let scanned = scan(operation, content_type, &body);
    assert_eq!(scanned, scan(operation, content_type, &body));
    match &scanned {
        Ok(scan) if scan.multipart => form(operation, content_type, &body, scan),
        Ok(scan) => json(operation, &body, scan),
        Err(ScanError::InvalidMultipart(_)) => {}
        Err(error) => {
            let is_form = operation.allows_multipart() && content_type.is_some();
            assert!(
                is_form || !matches!(expected(operation, &body), Some(Some(_))),
                "refused without a reason: {error}"
            );
        }
    }
}

fn json(operation: Operation, body: &Bytes, scan: &Scan) {
    let text = std::str::from_utf8(body).unwrap();
    assert!(serde_json::from_str::<&RawValue>(text).is_ok(), "what is no JSON was accepted");
    assert!(text.trim_start().starts_with('{'), "what is no object was accepted");
    if let Some(expected) = expected(operation, body) {
        let read = Expected {
            model: scan.model.clone(),
            stream: scan.stream,
            include_usage: scan.include_usage,
            choices: scan.choices,
        };
        assert_eq!(Some(read), expected, "read otherwise than a tree reads it");
    }
    let preview = rungate_llm::request::preview(operation, scan, body);
    if let Ok(tree) = serde_json::from_str::<Value>(text) {
        assert!(is_excerpt(&tree, &preview), "{preview:?} is nothing that was said");
    }
    assert!(preview.chars().count() <= 200);
    if let (Some(span), Some(model)) = (&scan.model_span, &scan.model) {
        assert_eq!(serde_json::from_slice::<String>(&body[span.clone()]).unwrap(), *model);
    }
    assert_eq!(rewrite(body, scan, None, false), body);

    let rewritten = rewrite(body, scan, Some(NEW_MODEL), true);
    let again = rungate_llm::request::scan(operation, None, &rewritten).unwrap();
    assert_eq!(again.model.as_deref(), Some(NEW_MODEL));
    assert!(again.include_usage);
    let same = Scan {
        model: scan.model.clone(),
        model_span: scan.model_span.clone(),
        include_usage: scan.include_usage,
        stream_options_span: scan.stream_options_span.clone(),
        words_span: scan.words_span.clone(),
        ..again
    };
    assert_eq!(&same, scan, "rewriting changed more than it should");
    let rest = |body: &[u8]| {
        let mut members = members(body)?;
        members.retain(|(name, _)| !["model", "stream_options"].contains(&name.as_str()));
        Some(members.into_iter().map(|(name, raw)| (name, raw.get().to_owned())).collect::<Vec<_>>())
    };
    assert_eq!(rest(body), rest(&rewritten), "rewriting changed another field");
    let options = |body: &[u8]| {
        let (_, raw) = members(body)?.into_iter().find(|(name, _)| name == "stream_options")?;
        let mut members = self::members(raw.get().as_bytes())?;
        members.retain(|(name, _)| name != "include_usage");
        Some(members.into_iter().map(|(name, raw)| (name, raw.get().to_owned())).collect::<Vec<_>>())
    };
    assert_eq!(options(body).unwrap_or_default(), options(&rewritten).unwrap_or_default());
}

fn form(operation: Operation, content_type: Option<&str>, body: &Bytes, scan: &Scan) {
    if let Some(span) = &scan.model_span {
        assert_eq!(&body[span.clone()], scan.model.as_deref().unwrap_or_default().as_bytes());
    }
    let preview = rungate_llm::request::preview(operation, scan, body);
    assert!(preview.chars().count() <= 200 && (1..=128).contains(&scan.choices));
    assert_eq!(rewrite(body, scan, None, true), body);
    let rewritten = rewrite(body, scan, Some(NEW_FORM_MODEL), true);
    let again = rungate_llm::request::scan(operation, content_type, &rewritten).unwrap();
    assert_eq!(again.model.as_deref(), Some(NEW_FORM_MODEL));
    let same = Scan {
        model: scan.model.clone(),
        model_span: scan.model_span.clone(),
        words_span: scan.words_span.clone(),
        ..again
    };
    assert_eq!(&same, scan, "rewriting changed more than it should");
}

#[derive(Debug, PartialEq)]
struct Expected {
    model: Option<String>,
    stream: bool,
    include_usage: bool,
    choices: u32,
}

/// What a reader that builds a tree finds, or that the body has to be refused. `None` when it goes beyond what a tree can
/// hold: deep nesting, numbers too large, halves of characters.
fn expected(operation: Operation, body: &[u8]) -> Option<Option<Expected>> {
    let tree = serde_json::from_slice(body).ok()?;
    let members = members(body)?;
    let options = members.iter().find(|(name, _)| name == "stream_options");
    let inside = match options {
        Some((_, raw)) if raw.get().starts_with('{') => self::members(raw.get().as_bytes())?,
        _ => Vec::new(),
    };
    let is_asked_twice = inside.iter().filter(|(name, _)| name == "include_usage").count() > 1;
    let is_twice = |name: &&str| members.iter().filter(|(member, _)| member == name).count() > 1;
    if is_asked_twice || LOOKED_AT.iter().any(is_twice) {
        return Some(None);
    }
    Some(of_tree(operation, &tree))
}

fn of_tree(operation: Operation, tree: &Value) -> Option<Expected> {
    let tree = tree.as_object()?;
    let has = |name: &str, allowed: fn(&Value) -> bool| tree.get(name).is_some_and(allowed);
    let has_input = match operation {
        Operation::ChatCompletions | Operation::Messages | Operation::CountTokens => {
            has("messages", Value::is_array)
        }
        Operation::Embeddings | Operation::Moderations => {
            has("input", |input| input.is_string() || input.is_array())
        }
        Operation::Speech => has("input", Value::is_string),
        Operation::ImageGenerations => has("prompt", Value::is_string),
        _ => true,
    };
    let flag = |value: Option<&Value>| match value {
        None | Some(Value::Null) => Some(false),
        Some(value) => value.as_bool(),
    };
    let include_usage = match tree.get("stream_options") {
        None | Some(Value::Null) => Some(false),
        Some(Value::Object(options)) => flag(options.get("include_usage")),
        Some(_) => None,
    };
    let choices = match tree.get("n") {
        None | Some(Value::Null) => Some(1),
        Some(n) => n.as_u64().filter(|n| (1..=128).contains(n)).and_then(|n| u32::try_from(n).ok()),
    };
    let model = match tree.get("model") {
        None | Some(Value::Null) => None,
        Some(Value::String(model)) => Some(model.clone()).filter(|model| !model.is_empty()),
        Some(_) => return None,
    };
    has_input.then_some(())?;
    Some(Expected {
        model,
        stream: flag(tree.get("stream"))?,
        include_usage: include_usage?,
        choices: choices?,
    })
}

/// Whether a text is the beginning of one that stands in the tree.
fn is_excerpt(tree: &Value, excerpt: &str) -> bool {
    match tree {
        _ if excerpt.is_empty() => true,
        Value::String(text) => text.starts_with(excerpt),
        Value::Array(items) => items.iter().any(|item| is_excerpt(item, excerpt)),
        Value::Object(members) => members.values().any(|member| is_excerpt(member, excerpt)),
        _ => false,
    }
}

/// The members of an object in their order, those that stand twice included.
fn members(body: &[u8]) -> Option<Vec<(String, Box<RawValue>)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, Box<RawValue>)>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_slice(body).deserialize_map(Members).ok()
}
