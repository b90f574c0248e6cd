//! Whether an answer can stand for the next equal request: only where the provider does nothing but answer, and keeps nothing.

use std::borrow::Cow;

use rungate_core::operation::Operation;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::ceiling::Demand;
use crate::request::Scan;

#[derive(Deserialize)]
struct Stored {
    store: Option<bool>,
}

/// Whether a request can be answered by the answer to an equal one. It cannot when the provider keeps the answer (the Responses
/// API does unless told `store: false`), continues something that it kept, reads a file, or runs tools: then asking again does
/// more than answering again.
pub fn is_repeatable(operation: Operation, scan: &Scan, body: &[u8]) -> bool {
    let stores_unless_told = match operation {
        Operation::Responses => true,
        Operation::ChatCompletions | Operation::Completions | Operation::Messages | Operation::Embeddings => {
            false
        }
        _ => return false,
    };
    let Ok(stored) = serde_json::from_slice::<Stored>(body) else { return false };
    !stored.store.unwrap_or(stores_unless_told) && Demand::read(operation, scan, body).is_self_contained()
}

/// Whether a whole answer with a status of success is one: some providers put their errors there, and the Responses API what it
/// is still working on.
pub fn is_answer(operation: Operation, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer<'a> {
        error: Option<IgnoredAny>,
        #[serde(borrow)]
        status: Option<Cow<'a, str>>,
    }
    let Ok(answer) = serde_json::from_slice::<Answer<'_>>(body) else { return false };
    let is_done = match operation {
        Operation::Responses => matches!(answer.status.as_deref(), Some("completed" | "incomplete")),
        _ => true,
    };
    answer.error.is_none() && is_done
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::request::scan;

    fn repeatable(operation: Operation, more: &Value) -> bool {
        let mut body = match operation {
            Operation::Responses => json!({ "model": "m", "input": "hi", "store": false }),
            Operation::Embeddings => json!({ "model": "m", "input": ["hi"] }),
            Operation::Completions => json!({ "model": "m", "prompt": "hi" }),
            _ => json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 9 }),
        };
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let body = body.to_string();
        let scan = scan(operation, None, body.as_bytes()).unwrap();
        is_repeatable(operation, &scan, body.as_bytes())
    }

    #[test]
    fn what_a_provider_only_answers_can_be_repeated() {
        use Operation::{ChatCompletions, Completions, Embeddings, Messages, Responses};
        for operation in [ChatCompletions, Completions, Embeddings, Messages, Responses] {
            assert!(repeatable(operation, &json!({})), "{operation:?}");
        }
        let function = json!([{ "type": "function", "function": { "name": "look_up" } }]);
        assert!(repeatable(
            ChatCompletions,
            &json!({ "tools": function, "seed": 7, "n": 2, "stream": true })
        ));
        assert!(repeatable(Responses, &json!({ "previous_response_id": null })));
    }

    #[test]
    fn what_it_stores_continues_or_runs_cannot() {
        use Operation::{ChatCompletions, Messages, Responses, Speech};
        for (operation, more) in [
            (Responses, json!({ "store": null })),
            (Responses, json!({ "store": true })),
            (Responses, json!({ "previous_response_id": "resp_1" })),
            (Responses, json!({ "conversation": "conv_1" })),
            (Responses, json!({ "tools": [{ "type": "web_search" }] })),
            (Responses, json!({ "input": [{ "type": "item_reference", "id": "msg_1" }] })),
            (ChatCompletions, json!({ "store": true })),
            (ChatCompletions, json!({ "web_search_options": {} })),
            (Messages, json!({ "mcp_servers": [{ "url": "https://example.com" }] })),
            (Messages, json!({ "tools": [{ "type": "code_execution_20250825", "name": "x" }] })),
            (Speech, json!({ "input": "hi", "voice": "alloy" })),
        ] {
            assert!(!repeatable(operation, &more), "{operation:?} {more}");
        }
    }

    #[test]
    fn an_error_and_what_is_not_done_are_no_answers() {
        assert!(is_answer(Operation::ChatCompletions, br#"{"choices":[],"error":null}"#));
        assert!(!is_answer(Operation::ChatCompletions, br#"{"error":{"message":"busy"}}"#));
        assert!(!is_answer(Operation::ChatCompletions, b"<html>"));
        assert!(is_answer(Operation::Responses, br#"{"status":"completed","error":null}"#));
        for status in ["failed", "queued", "in_progress", "cancelled"] {
            assert!(!is_answer(Operation::Responses, format!(r#"{{"status":"{status}"}}"#).as_bytes()));
        }
    }
}
