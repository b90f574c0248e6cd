//! Anthropic's wire formats.

use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::{Provider, with_key};

fn ask(model: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "system": "abcd", "messages": [{"role": "user", "content": "12345678"}]})
}

#[tokio::test]
async fn messages_report_cached_tokens_apart() {
    let sim = Provider::start().await;
    let answer = sim.post("/v1/messages", &ask("claude-haiku-4-5+cached=2+tokens=5")).await;
    let body = answer.json();
    assert_eq!(body["type"], "message");
    assert_eq!(body["stop_reason"], "end_turn");
    assert_eq!(body["usage"]["input_tokens"], 1);
    assert_eq!(body["usage"]["cache_read_input_tokens"], 2);
    assert_eq!(body["usage"]["output_tokens"], 5);
    assert!(answer.headers.contains_key("request-id"));
    assert!(answer.headers.contains_key("anthropic-organization-id"));
    assert!(!answer.headers.contains_key("x-request-id"));
    assert_eq!(sim.post("/v1/messages/count_tokens", &ask("m")).await.json(), json!({"input_tokens": 3}));
}

#[tokio::test]
async fn a_message_stream_has_the_documented_events() {
    let sim = Provider::start().await;
    let mut ask = ask("m+tokens=2");
    let whole = sim.post("/v1/messages", &ask).await.json();
    ask["stream"] = true.into();
    let stream = sim.post("/v1/messages", &ask).await;
    let expected = [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(stream.types(), expected);
    assert!(stream.text().starts_with("event: message_start\ndata: "));
    assert_eq!(stream.joined("/delta/text"), whole["content"][0]["text"]);
    assert_eq!(stream.events()[6]["usage"], whole["usage"]);
    assert_eq!(stream.events()[6]["delta"]["stop_reason"], "end_turn");
}

#[tokio::test]
async fn tools_are_used_and_their_results_quoted() {
    let sim = Provider::start().await;
    let mut ask = ask("m");
    ask["tools"] = json!([{"name": "look", "input_schema": {"properties": {"q": {"type": "string"}}}}]);
    let body = sim.post("/v1/messages", &ask).await.json();
    assert_eq!(body["stop_reason"], "tool_use");
    assert_eq!(body["content"][0]["input"], json!({"q": "sim"}));

    ask["stream"] = true.into();
    let stream = sim.post("/v1/messages", &ask).await;
    assert_eq!(stream.joined("/delta/partial_json"), "{\"q\":\"sim\"}");

    ask["stream"] = false.into();
    ask["messages"] =
        json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "sun"}]}]);
    let body = sim.post("/v1/messages", &ask).await.json();
    assert_eq!(body["content"][0]["text"], "The tool answered: sun");
}

#[tokio::test]
async fn errors_have_anthropics_shape() {
    let sim = Provider::start().await;
    let answer = sim.post("/v1/messages", &ask("m+error=529+retry-after=3")).await;
    assert_eq!(answer.status, 529);
    assert_eq!(answer.headers["retry-after"], "3");
    let body = answer.json();
    assert_eq!((&body["type"], &body["error"]["type"]), (&"error".into(), &"overloaded_error".into()));
    assert_eq!(body["request_id"], answer.headers["request-id"].to_str().unwrap());

    let missing = sim.post("/v1/messages", &json!({"model": "m", "messages": []})).await;
    assert_eq!(missing.json()["error"]["type"], "invalid_request_error");
}

#[tokio::test]
async fn models_are_listed_in_the_dialect_of_the_caller() {
    let sim = Provider::start().await;
    let request = with_key("GET", "/v1/models").header("anthropic-version", "2023-06-01");
    let anthropic = sim.call(request.body(Full::default()).unwrap()).await.json();
    assert_eq!(anthropic["data"][0]["type"], "model");
    assert_eq!(anthropic["has_more"], false);
    let openai = sim.get("/v1/models").await.json();
    assert_eq!((&openai["object"], &openai["data"][0]["object"]), (&"list".into(), &"model".into()));
}
