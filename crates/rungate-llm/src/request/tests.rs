use bytes::Bytes;
use proptest::prelude::*;
use rungate_core::operation::Operation;
use serde_json::{Map, Value, json};

use super::{Scan, ScanError, preview, rewrite, scan};

const FORM: &str = "multipart/form-data; boundary=xyz";

fn chat(body: &str) -> Result<Scan, ScanError> {
    scan(Operation::ChatCompletions, Some("application/json"), body.as_bytes())
}

fn previewed(operation: Operation, body: &str) -> String {
    preview(operation, &scan(operation, None, body.as_bytes()).unwrap(), body.as_bytes())
}

fn message(outcome: Result<Scan, ScanError>) -> String {
    outcome.unwrap_err().to_string()
}

fn form(fields: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let parts: Vec<String> = fields.iter().map(part).collect();
    parts.concat() + "--xyz--\r\n"
}

fn transcription(body: &str) -> Result<Scan, ScanError> {
    scan(Operation::Transcriptions, Some(FORM), body.as_bytes())
}

#[test]
fn finds_what_matters_of_a_chat() {
    let body = r#" {"messages":[{"role":"user","content":"hi"}], "model" : "gpt-4o" ,"stream":true,"n":2,
        "stream_options":{"include_usage":true}, "tools":[{"model":"not this"}]}"#;
    let scan = chat(body).unwrap();
    assert_eq!(scan.model.as_deref(), Some("gpt-4o"));
    assert_eq!(&body[scan.model_span.clone().unwrap()], "\"gpt-4o\"");
    assert_eq!(&body[scan.stream_options_span.clone().unwrap()], r#"{"include_usage":true}"#);
    assert!(scan.stream && scan.include_usage && !scan.multipart);
    assert_eq!(scan.choices, 2);
    assert_eq!(preview(Operation::ChatCompletions, &scan, body.as_bytes()), "hi");
}

#[test]
fn absent_null_and_empty_mean_the_same() {
    for model in ["", r#","model":null"#, r#","model":"""#] {
        let body = format!(r#"{{"messages":[],"stream":null,"n":null,"stream_options":null{model}}}"#);
        let scan = chat(&body).unwrap();
        assert_eq!(scan.model, None);
        assert_eq!((scan.stream, scan.include_usage, scan.choices), (false, false, 1));
    }
}

#[test]
fn a_key_that_decides_must_not_stand_twice_however_it_is_written() {
    for field in ["model", "stream", "stream_options", "n", "messages"] {
        let escaped = format!("\\u{:04x}{}", u32::from(field.as_bytes()[0]), &field[1..]);
        let body = format!(r#"{{"messages":[],"{field}":null,"{escaped}":null}}"#);
        let text = message(chat(&body));
        assert!(text.contains(&format!("duplicate field `{field}`")), "{text}");
    }
    assert_eq!(chat(r#"{"messages":[],"m\u006fdel":"x"}"#).unwrap().model.as_deref(), Some("x"));
}

#[test]
fn refuses_what_is_not_one_json_object_and_repeats_none_of_it() {
    let empty = "the body is not valid JSON: it is empty";
    assert_eq!(message(chat("")), empty);
    assert_eq!(message(chat(" \r\n\t")), empty);
    for body in ["[]", "\"secret\"", "1", "\u{feff}{}", "secret"] {
        assert_eq!(message(chat(body)), "the body is not valid JSON: it must be one JSON object");
    }
    for body in [
        r#"{"messages":[]} secret"#,
        r#"{"messages":[]}{"messages":[]}"#,
        r#"{"secret":}"#,
        r#"{"secret":"#,
        r#"{"messages":[secret]}"#,
        r"{secret:1}",
        "{\"messages\":[],\"model\":\"sec\nret\"}",
        r#"{"messages":[],"model":secret}"#,
    ] {
        let text = message(chat(body));
        assert!(text.starts_with("the body is not valid JSON: ") && text.contains(" at line "), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
    let outcome = scan(Operation::Responses, None, b"{\"a\":\"\xFF\"}");
    assert_eq!(message(outcome), "the body is not valid JSON: it is not UTF-8 at byte 6");
}

#[test]
fn names_the_field_that_is_wrong() {
    for (fields, expected) in [
        (r#""model":5"#, "model: must be a string of valid Unicode, or null"),
        (r#""model":"\ud800""#, "model: must be a string of valid Unicode, or null"),
        (r#""stream":"true""#, "stream: must be true, false or null"),
        (r#""stream_options":[]"#, "stream_options: must be an object or null"),
        (
            r#""stream_options":{"include_usage":1}"#,
            "stream_options.include_usage: must be true, false or null",
        ),
        (
            r#""stream_options":{"include_usage":false,"include_usage":true}"#,
            "stream_options.include_usage: must not stand twice",
        ),
        (r#""n":0"#, "n: must be a whole number from 1 to 128"),
        (r#""n":129"#, "n: must be a whole number from 1 to 128"),
        (r#""n":1.0"#, "n: must be a whole number from 1 to 128"),
        (r#""n":99999999999999999999"#, "n: must be a whole number from 1 to 128"),
    ] {
        assert_eq!(message(chat(&format!(r#"{{"messages":[],{fields}}}"#))), expected);
    }
}

#[test]
fn requires_what_an_operation_cannot_do_without() {
    for (operation, body, expected) in [
        (Operation::ChatCompletions, "{}", "messages: is required: an array of messages"),
        (Operation::Messages, r#"{"messages":"hi"}"#, "messages: must be an array of messages"),
        (Operation::CountTokens, r#"{"messages":null}"#, "messages: must be an array of messages"),
        (Operation::Embeddings, "{}", "input: is required: a string or an array"),
        (Operation::Moderations, r#"{"input":7}"#, "input: must be a string or an array"),
        (Operation::Speech, r#"{"input":["a"]}"#, "input: must be a string"),
        (Operation::ImageGenerations, r#"{"prompt":{}}"#, "prompt: must be a string"),
    ] {
        assert_eq!(message(scan(operation, None, body.as_bytes())), expected);
    }
    for operation in [Operation::Completions, Operation::Responses, Operation::ImageEdits] {
        assert!(scan(operation, None, b"{}").is_ok());
    }
}

#[test]
fn no_nesting_is_too_deep() {
    let deep = 100_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let bomb = format!("{}1{}", open.repeat(deep), close.repeat(deep));
        for field in ["x", "input", "prompt"] {
            for operation in [Operation::Responses, Operation::Completions] {
                let body = format!(r#"{{"{field}":{bomb}}}"#);
                assert_eq!(previewed(operation, &body), "");
            }
        }
        let outcome = chat(&format!(r#"{{"messages":[],"stream_options":{{"a":{bomb}}}}}"#));
        assert!(outcome.is_ok());
        let body = format!(r#"{{"messages":[{{"role":"user","content":{bomb}}}]}}"#);
        assert_eq!(previewed(Operation::ChatCompletions, &body), "");
        assert!(chat(&open.repeat(deep)).is_err());
    }
}

#[test]
fn previews_the_last_user_text() {
    let long = "ä".repeat(300);
    for (operation, body, expected) in [
        (
            Operation::ChatCompletions,
            json!({"messages": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]}),
            "one",
        ),
        (
            Operation::Messages,
            json!({"messages": [
                {"role": "user", "content": [{"type": "text", "text": "a\nb"}, {"type": "image", "source": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "content": "out"}]},
            ]}),
            "a\nb",
        ),
        (Operation::ChatCompletions, json!({"messages": [1, null, [], {"role": 5}]}), ""),
        (Operation::ChatCompletions, json!({"messages": [{"role": "user", "content": &long}]}), &long[..400]),
        (Operation::Responses, json!({"input": "say"}), "say"),
        (
            Operation::Responses,
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}, {"type": "reasoning"}]}),
            "x",
        ),
        (Operation::Completions, json!({"prompt": ["first", "second"]}), "first"),
        (Operation::Completions, json!({"prompt": [1, 2]}), ""),
        (Operation::Embeddings, json!({"input": "embed"}), "embed"),
        (Operation::Moderations, json!({"input": [{"type": "text", "text": "rude"}]}), "rude"),
        (Operation::Moderations, json!({"input": []}), ""),
        (Operation::Speech, json!({"input": "read this"}), "read this"),
        (Operation::ImageGenerations, json!({"prompt": "a cat"}), "a cat"),
    ] {
        assert_eq!(previewed(operation, &body.to_string()), expected);
    }
}

#[test]
fn rewrites_the_model_and_asks_for_usage() {
    for (body, expected) in [
        (r#"{"messages":[]}"#, r#"{"model":"a\"b","stream_options":{"include_usage":true},"messages":[]}"#),
        (
            r#" { "model" : null, "messages":[], "stream_options": null }"#,
            r#" { "model" : "a\"b", "messages":[], "stream_options": {"include_usage":true} }"#,
        ),
        (
            r#"{"stream_options":{"x":1},"messages":[],"model":"m"}"#,
            r#"{"stream_options":{"include_usage":true,"x":1},"messages":[],"model":"a\"b"}"#,
        ),
        (
            r#"{"model":"m","stream_options":{ "x":1, "include_usage" : false},"messages":[]}"#,
            r#"{"model":"a\"b","stream_options":{ "x":1, "include_usage" : true},"messages":[]}"#,
        ),
        (
            r#"{"stream_options":{ },"messages":[]}"#,
            r#"{"model":"a\"b","stream_options":{"include_usage":true },"messages":[]}"#,
        ),
    ] {
        let scan = chat(body).unwrap();
        let rewritten = rewrite(&Bytes::from(body), &scan, Some("a\"b"), true);
        assert_eq!(rewritten, expected);
    }
    let empty = scan(Operation::Responses, None, b"{ }").unwrap();
    assert_eq!(rewrite(&Bytes::from("{ }"), &empty, Some("m"), false), r#"{"model":"m" }"#);
}

#[test]
fn shares_the_bytes_when_nothing_changes() {
    let body = Bytes::from(r#"{"model":"m","messages":[],"stream_options":{"include_usage":true}}"#);
    let scan = scan(Operation::ChatCompletions, None, &body).unwrap();
    for (model, ask_usage) in [(None, false), (Some("m"), false), (None, true)] {
        assert_eq!(rewrite(&body, &scan, model, ask_usage).as_ptr(), body.as_ptr());
    }
}

#[test]
fn reads_the_fields_of_a_form() {
    let body = form(&[
        ("file", "--xy\r\n\r\nbytes\r\n--xy"),
        ("model", "whisper-1"),
        ("stream", "True"),
        ("n", "3"),
        ("prompt", "names"),
    ]);
    for content_type in [
        "Multipart/Form-Data; charset=utf-8; boundary=xyz",
        "multipart/form-data; Boundary=\"x\\yz\"",
        "multipart/form-data;boundary=xyz ; a=b",
    ] {
        let scan = scan(Operation::ImageEdits, Some(content_type), body.as_bytes()).unwrap();
        assert_eq!(scan.model.as_deref(), Some("whisper-1"));
        assert_eq!(&body[scan.model_span.clone().unwrap()], "whisper-1");
        assert!(scan.stream && scan.multipart);
        assert_eq!(scan.choices, 3);
        assert_eq!(preview(Operation::ImageEdits, &scan, body.as_bytes()), "names");
    }
    let scan = transcription(&form(&[("file", "bytes")])).unwrap();
    assert_eq!((scan.model, scan.model_span, scan.choices), (None, None, 1));
}

#[test]
fn refuses_forms_that_others_might_read_differently() {
    let part = |head: &str| format!("--xyz\r\n{head}\r\n\r\nx\r\n--xyz--");
    let head = "Content-Disposition: form-data; name=\"model\"";
    for (body, expected) in [
        (String::new(), "does not begin with its boundary"),
        ("--xyz--".to_owned(), "has no parts"),
        ("preamble\r\n--xyz--".to_owned(), "does not begin with its boundary"),
        (form(&[("model", "a"), ("model", "b")]), "`model` stands twice"),
        (form(&[("model", "a")]).replace("--xyz--", "--xy"), "closing boundary is missing"),
        (form(&[("model", "a")]).replace("--xyz--", "--xyzz"), "does not end its line"),
        (part("Content-Type: text/plain"), "has no name"),
        (part("Content-Disposition: attachment; name=\"model\""), "has no name"),
        (part("Content-Disposition: form-data; name*=utf-8''model"), "has no name"),
        (part(&format!("{head}; name=\"file\"")), "has no name"),
        (part(&format!("{head}\r\n{head}")), "has no name"),
        (part(&format!("\r\n{head}")), "not one on each line"),
        (part(&format!("{head}\r\n folded")), "not one on each line"),
        (part(&format!("{head}\nX: y")), "not one on each line"),
        (part(&format!("{head}\r\nX: {}", "y".repeat(9000))), "do not end"),
        (format!("--xyz\r\n{head}\r\n\r\n--xyz--"), "has no content"),
    ] {
        let text = message(transcription(&body));
        assert!(text.contains(expected), "{text}");
    }
    for content_type in
        ["multipart/form-data", "multipart/form-data; boundary=\"\"", "multipart/form-data; boundary"]
    {
        let outcome = scan(Operation::Transcriptions, Some(content_type), b"--xyz--");
        assert!(message(outcome).ends_with("names no valid boundary"));
    }
    assert!(message(transcription(&form(&[("n", "0")]))).starts_with("n: "));
    assert!(message(transcription(&form(&[("stream", "yes")]))).starts_with("stream: "));
    assert!(message(transcription(&form(&[("model", "a\r\nb")]))).starts_with("model: "));
}

#[test]
fn rewrites_the_model_of_a_form() {
    for fields in [&[("file", "f"), ("model", "old")][..], &[("model", "")], &[("file", "f")]] {
        let body = Bytes::from(form(fields));
        let before = scan(Operation::Transcriptions, Some(FORM), &body).unwrap();
        let rewritten = rewrite(&body, &before, Some("new"), true);
        let after = scan(Operation::Transcriptions, Some(FORM), &rewritten).unwrap();
        assert_eq!(after.model.as_deref(), Some("new"));
        let mut expected: Vec<_> = fields.iter().copied().filter(|(name, _)| *name != "model").collect();
        let place = fields.iter().position(|(name, _)| *name == "model").unwrap_or(0);
        expected.insert(place, ("model", "new"));
        assert_eq!(rewritten, form(&expected));
    }
}

/// Any JSON value of moderate size.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\{}]{0,3}", inner, 0..4)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A request body, with and without the fields that are rewritten.
fn request() -> impl Strategy<Value = Value> {
    let model =
        prop_oneof![Just(None), Just(Some(Value::Null)), ".{0,6}".prop_map(|text| Some(Value::from(text)))];
    let flag = prop_oneof![
        Just(None),
        Just(Some(Value::Null)),
        any::<bool>().prop_map(|flag| Some(Value::from(flag)))
    ];
    let options =
        (prop::collection::btree_map("[a-z]{1,3}", value(), 0..3), flag).prop_map(|(others, flag)| {
            let mut options: Map<_, _> = others.into_iter().collect();
            options.extend(flag.map(|flag| ("include_usage".to_owned(), flag)));
            Some(Value::from(options))
        });
    let options = prop_oneof![Just(None), Just(Some(Value::Null)), options];
    (prop::collection::btree_map("[a-z~]{2,4}", value(), 0..4), model, options).prop_map(
        |(others, model, options)| {
            let mut body: Map<_, _> = others.into_iter().collect();
            body.extend(model.map(|model| ("model".to_owned(), model)));
            body.extend(options.map(|options| ("stream_options".to_owned(), options)));
            Value::from(body)
        },
    )
}

proptest! {
    #[test]
    fn rewriting_is_editing_the_tree(
        tree in request(),
        model in prop::option::of(".{1,6}"),
        ask_usage in any::<bool>(),
        pretty in any::<bool>(),
    ) {
        let text = if pretty { serde_json::to_string_pretty(&tree).unwrap() } else { tree.to_string() };
        let body = Bytes::from(text);
        let before = scan(Operation::Responses, None, &body).unwrap();
        let rewritten = rewrite(&body, &before, model.as_deref(), ask_usage);

        let mut expected = tree.clone();
        if let Some(model) = &model {
            expected["model"] = Value::from(model.as_str());
        }
        if ask_usage {
            expected["stream_options"]["include_usage"] = Value::from(true);
        }
        prop_assert_eq!(serde_json::from_slice::<Value>(&rewritten).unwrap(), expected);
        let after = scan(Operation::Responses, None, &rewritten).unwrap();
        prop_assert_eq!(after.model, model.or(before.model));
        prop_assert_eq!(after.include_usage, ask_usage || before.include_usage);
    }

    #[test]
    fn rewriting_a_model_keeps_every_other_byte(tree in request(), model in ".{0,6}") {
        let body = Bytes::from(serde_json::to_string_pretty(&tree).unwrap());
        let scan = scan(Operation::Responses, None, &body).unwrap();
        if let Some(span) = scan.model_span.clone() {
            let rewritten = rewrite(&body, &scan, Some(&model), false);
            prop_assert!(rewritten.starts_with(&body[..span.start]));
            prop_assert!(rewritten.ends_with(&body[span.end..]));
        }
    }
}
