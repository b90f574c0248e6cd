//! What tests of the gateway ask afterwards.

use base64::Engine as _;
use http_body_util::Full;
use serde_json::json;

use crate::harness::{Provider, with_key};

#[tokio::test]
async fn the_last_request_is_kept_byte_for_byte_and_its_credential_is_not() {
    let sim = Provider::start().await;
    let body = "{ \"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}], \"odd\" : 1.50 }";
    let request = with_key("POST", "/v1/chat/completions?a=b").header("x-odd", "kept");
    sim.call(request.body(Full::from(body)).unwrap()).await;
    let stats = sim.stats().await;
    let last = &stats["last_request"];
    let kept = last["body_base64"].as_str().unwrap();
    assert_eq!(base64::engine::general_purpose::STANDARD.decode(kept).unwrap(), body.as_bytes());
    assert_eq!((&last["method"], &last["path"]), (&"POST".into(), &"/v1/chat/completions?a=b".into()));
    let headers = last["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["x-odd", "kept"])));
    assert!(headers.contains(&json!(["authorization", "Bearer sk-t…(7 bytes)"])));
    assert!(!stats.to_string().contains("sk-test"));
    assert_eq!(stats["requests"], json!({"POST /v1/chat/completions": 1}));
}

#[tokio::test]
async fn a_large_body_is_counted_and_not_kept() {
    let sim = Provider::start().await;
    let messages = json!([{"role": "user", "content": "x".repeat(2 << 20)}]);
    let usage = sim.chat("m", json!({"messages": messages})).await.json()["usage"].clone();
    assert_eq!(usage["prompt_tokens"], (2 << 20) / 4);
    let last = &sim.stats().await["last_request"];
    assert!(last["body_bytes"].as_u64().unwrap() > 2 << 20);
    assert!(last["body_base64"].is_null());
}

#[tokio::test]
async fn a_default_behaviour_holds_until_the_reset() {
    let sim = Provider::start().await;
    let set = |words: &'static str| with_key("POST", "/sim/directives").body(Full::from(words)).unwrap();
    assert_eq!(sim.call(set("tokens=2+error=500")).await.status, 200);
    assert_eq!(sim.chat("gpt-4o", json!({})).await.status, 500);
    assert_eq!(sim.call(set("tokens=2")).await.status, 200);
    assert_eq!(sim.chat("gpt-4o", json!({})).await.json()["usage"]["completion_tokens"], 2);
    assert_eq!(sim.call(set("nonsense")).await.status, 400);

    assert_eq!(sim.post("/sim/reset", &json!({})).await.status, 200);
    assert_eq!(sim.stats().await["requests_total"], 0);
    assert_eq!(sim.chat("gpt-4o", json!({})).await.json()["usage"]["completion_tokens"], 16);
}
