//! Request bodies that nobody should send: whatever comes, a scan gives an error or what it found, and never breaks.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking, like the test itself")]

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use rungate_core::operation::Operation;
use rungate_llm::request::{Scan, preview, rewrite, scan};

const REQUEST: &str = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"\u00e9"}]}],
    "input":["a"],"prompt":"p","stream":true,"n":2,"stream_options":{"include_usage":false}}"#;

const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
    --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n\
    --b\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n--b--\r\n";

/// One change to a body.
#[derive(Debug, Clone)]
enum Mutation {
    Set(Index, u8),
    Cut(Index, Index),
    Repeat(Index, Index),
    Insert(Index, &'static str),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let pieces = [
        "\"",
        "\\",
        "\\ud800",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "-1",
        "1e999",
        "\r\n",
        "\n\n",
        "\r",
        "--b",
        "data: ",
        "[DONE]",
        "\"error\"",
        "\"model\":",
        "99999999999999999999",
        "\u{feff}",
        "\0",
    ];
    let mutation = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Cut(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        (any::<Index>(), prop::sample::select(pieces.to_vec()))
            .prop_map(|(at, piece)| Mutation::Insert(at, piece)),
    ];
    prop::collection::vec(mutation, 1..5)
}

fn mutate(body: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    let mut body = body.to_vec();
    for mutation in mutations {
        let place = |index: &Index| index.index(body.len() + 1);
        match mutation {
            Mutation::Set(at, byte) if !body.is_empty() => {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            Mutation::Set(..) => {}
            Mutation::Cut(from, to) => {
                let (from, to) = (place(from), place(to));
                body.drain(from.min(to)..from.max(to));
            }
            Mutation::Repeat(from, to) => {
                let (from, to) = (place(from), place(to));
                body.extend_from_within(from.min(to)..from.max(to));
            }
            Mutation::Insert(at, piece) => {
                let at = place(at);
                body.splice(at..at, piece.bytes());
            }
        }
    }
    body
}

/// What holds of every body that was taken: its spans lie within it, and it can be rewritten and read again.
fn check_taken(operation: Operation, content_type: Option<&str>, body: Vec<u8>, taken: &Scan) {
    let body = Bytes::from(body);
    for span in [&taken.model_span, &taken.stream_options_span].into_iter().flatten() {
        assert!(span.start <= span.end && span.end <= body.len());
    }
    assert!((1..=128).contains(&taken.choices));
    let preview = preview(operation, taken, &body);
    assert!(preview.chars().count() <= 200);
    let rewritten = rewrite(&body, taken, Some("other/model"), true);
    let again = scan(operation, content_type, &rewritten).unwrap();
    assert_eq!(again.model.as_deref(), Some("other/model"));
    assert_eq!((again.stream, again.choices), (taken.stream, taken.choices));
}

proptest! {
    #[test]
    fn requests(mutations in mutations(), operation in prop::sample::select(&Operation::ALL[..])) {
        let body = mutate(REQUEST.as_bytes(), &mutations);
        match scan(operation, None, &body) {
            Ok(taken) => check_taken(operation, None, body, &taken),
            Err(error) => prop_assert!(error.to_string().len() < 200),
        }
    }

    #[test]
    fn forms(mutations in mutations()) {
        let content_type = Some("multipart/form-data; boundary=b");
        let body = mutate(FORM.as_bytes(), &mutations);
        match scan(Operation::Transcriptions, content_type, &body) {
            Ok(taken) => check_taken(Operation::Transcriptions, content_type, body, &taken),
            Err(error) => prop_assert!(error.to_string().len() < 200),
        }
    }

    #[test]
    fn content_types(text in "multipart/form-data[;= \"\\\\a-zA-Z\u{e9}]{0,30}") {
        let _ = scan(Operation::Transcriptions, Some(&text), b"--b--");
    }
}
