//! Bad input and bad upstreams, each with its code, and one row for each.

use http::Method;
use serde_json::json;

use super::{Stage, chat};
use rungate_testkit::{Answer, ServerOptions};

fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.error_code())
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn w_002_keys_that_do_not_work_get_one_and_the_same_401() {
    let stage = Stage::set().await;
    let owner = stage.server.owner();
    let nobody = stage.server.client();
    let path = "/v1/chat/completions";
    let body = chat("gpt-4o-mini");

    let none = nobody.post(path, &body).await;
    assert_eq!(refusal(&none), is(401, "invalid_api_key"));
    assert_eq!(none.json()["error"]["message"], "Missing authorization header");

    let made =
        async |label: &str| owner.post("/api/v1/virtual-keys", &json!({ "label": label })).await.data();
    let revoked = made("revoked").await;
    let id = revoked["id"].as_str().unwrap();
    assert_eq!(owner.send(Method::POST, &format!("/api/v1/virtual-keys/{id}/revoke"), "").await.status, 200);
    let disabled = made("disabled").await;
    let id = disabled["id"].as_str().unwrap();
    let off = json!({ "status": "disabled" }).to_string();
    assert_eq!(owner.send(Method::PATCH, &format!("/api/v1/virtual-keys/{id}"), off).await.status, 200);

    let mut bodies = Vec::new();
    for token in ["vk-wrong", "sk-foreign", &token_of(&revoked), &token_of(&disabled)] {
        let answer = stage.server.client().bearer(token).post(path, &body).await;
        assert_eq!(refusal(&answer), is(401, "invalid_api_key"), "{token}");
        bodies.push(answer.body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "the answers differ: {bodies:?}");

    let two = stage.tenant.client().with("x-api-key", "vk-another");
    assert_eq!(refusal(&two.post(path, &body).await), is(401, "invalid_api_key"));
    let pat = owner.post(path, &body).await;
    assert_eq!(refusal(&pat), is(403, "virtual_key_required"));
    let anthropic = stage.server.client().with("x-api-key", "vk-wrong").post("/v1/messages", &body).await;
    assert_eq!(anthropic.json()["error"]["type"], "authentication_error");
}

fn token_of(key: &serde_json::Value) -> String {
    key["fullToken"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn w_055_bad_requests_are_refused_before_anything_is_sent() {
    let stage = Stage::set().await;
    let client = stage.tenant.client();
    let path = "/v1/chat/completions";
    let send = async |body: &str| client.send(Method::POST, path, body.to_owned()).await;

    for (body, code) in [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("[]", "invalid_json"),
        ("\"text\"", "invalid_json"),
        ("{\"model\":\"a\",\"model\":\"b\",\"messages\":[]}", "invalid_json"),
        ("{\"model\":1,\"messages\":[]}", "invalid_parameter"),
        ("{\"model\":\"gpt-4o-mini\",\"messages\":[],\"stream\":\"yes\"}", "invalid_parameter"),
        ("{\"model\":\"gpt-4o-mini\",\"messages\":\"hi\"}", "invalid_parameter"),
        ("{\"model\":\"gpt-4o-mini\"}", "invalid_parameter"),
    ] {
        let shown = &body[..body.len().min(60)];
        let answer = send(body).await;
        assert_eq!(refusal(&answer), is(400, code), "{shown}");
        let row = stage.row(answer.header("alephant-id").unwrap()).await;
        assert_eq!(row["outcome"], "refused", "{shown}");
        assert_eq!(
            (row["errorCode"].as_str(), row["costNanoUsd"].as_str()),
            (Some(code), Some("0")),
            "{shown}"
        );
    }

    let answer = client.clone().with("content-type", "text/plain").send(Method::POST, path, "{}").await;
    assert_eq!(refusal(&answer), is(415, "unsupported_media_type"));
    let answer = client.clone().with("content-encoding", "gzip").send(Method::POST, path, "{}").await;
    assert_eq!(refusal(&answer), is(415, "unsupported_media_type"));
    let answer = client
        .clone()
        .with("x-workspace-id", "018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001")
        .post(path, &json!({}))
        .await;
    assert_eq!(refusal(&answer), is(403, "workspace_mismatch"));
    let large = format!("{{\"model\":\"gpt-4o-mini\",\"messages\":[],\"x\":\"{}\"}}", "x".repeat(33 << 20));
    let answer = send(&large).await;
    assert_eq!(refusal(&answer), is(413, "payload_too_large"));
    let unknown = stage.server.client().bearer("vk-wrong").send(Method::POST, path, large).await;
    assert_eq!(refusal(&unknown), is(401, "invalid_api_key"), "a large body does not hide the reason");
    let seen = stage.sim.stats().await;
    assert_eq!(seen["requests_total"], 0, "something was sent upstream");
    stage.audit().await;
}

#[tokio::test]
async fn w_025_to_w_030_headers_are_refused_by_name_and_rule() {
    let stage = Stage::set().await;
    let path = "/v1/chat/completions";
    let with = async |name: &str, value: &str| {
        stage.tenant.client().with(name, value).post(path, &chat("gpt-4o-mini")).await
    };
    let long = "r".repeat(257);
    for (name, value, status, code) in [
        ("alephant-run-id", "a b", 400, "invalid_header"),
        ("rungate-run-id", &long, 400, "invalid_header"),
        ("alephant-step-kind", "dance", 400, "invalid_header"),
        ("alephant-cache-enabled", "maybe", 400, "invalid_header"),
        ("alephant-property-api-token", "x", 400, "property_looks_secret"),
        ("alephant-agent-id", "agt_somebody_else", 403, "agent_mismatch"),
    ] {
        let answer = with(name, value).await;
        assert_eq!(refusal(&answer), is(status, code), "{name}: {value}");
        assert_eq!(answer.json()["error"]["param"], name, "{name}: {value}");
    }
    let external = stage.tenant.agent["externalId"].as_str().unwrap();
    let uuid = stage.tenant.agent["id"].as_str().unwrap();
    for own in [external, uuid] {
        assert_eq!(with("alephant-agent-id", own).await.status, 200, "{own}");
    }
    assert_eq!(with("alephant-run-id", &"r".repeat(256)).await.status, 200);
    let warned = with("alephant-future", "x").await;
    assert_eq!(warned.header("rungate-warning"), Some("unknown_header"));
    let clash = stage.tenant.client().with("alephant-run-id", "a").with("rungate-run-id", "b");
    assert_eq!(refusal(&clash.post(path, &chat("gpt-4o-mini")).await), is(400, "header_conflict"));
    let huge = stage.tenant.client().with("x-anything", &"x".repeat(200_000));
    let answer = huge.try_open(Method::GET, "/v1/models", bytes::Bytes::new()).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 431));
}

#[tokio::test]
async fn w_005_paths_and_methods_come_first() {
    let stage = Stage::set().await;
    let nobody = stage.server.client();
    for (method, path, status, code) in [
        (Method::GET, "/v1/nothing", 404, "unknown_route"),
        (Method::POST, "/v1/chat/completions/", 404, "unknown_route"),
        (Method::GET, "/v1/chat/completions", 405, "method_not_allowed"),
        (Method::GET, "/api/v1/nothing", 404, "not_found"),
    ] {
        let answer = nobody.send(method, path, "").await;
        assert_eq!(refusal(&answer), is(status, code), "{path}");
        assert_eq!(status == 405, answer.header("allow").is_some(), "{path}");
    }
    assert_eq!(nobody.send(Method::OPTIONS, "/v1/chat/completions", "").await.status, 204);
}

#[tokio::test]
async fn upstreams_that_fail_each_have_their_code() {
    let options = ServerOptions::default()
        .env("RUNGATE_UPSTREAM_FIRST_BYTE_TIMEOUT_MS", "400")
        .env("RUNGATE_UPSTREAM_IDLE_TIMEOUT_MS", "400");
    let stage = Stage::set_with(options).await;
    let client = stage.tenant.client();
    for (directives, status, code, outcome) in [
        ("hang", 504, "upstream_timeout", "upstream_failed"),
        ("latency=3000", 504, "upstream_timeout", "upstream_failed"),
        ("garbage", 502, "upstream_invalid_response", "upstream_failed"),
        ("redirect", 502, "upstream_invalid_response", "upstream_failed"),
        ("cut=1", 502, "upstream_invalid_response", "upstream_failed"),
    ] {
        stage.direct(directives).await;
        let answer = client.post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
        assert_eq!(refusal(&answer), is(status, code), "{directives}");
        let row = stage.row(answer.header("alephant-id").unwrap()).await;
        assert_eq!(row["outcome"], outcome, "{directives}");
    }
    stage.direct("html").await;
    let answer = client.post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    assert_eq!(refusal(&answer), is(502, "upstream_error"), "a page in place of an answer is wrapped");
    assert_eq!(answer.json()["error"]["details"]["provider"], "openai");

    let nowhere = json!({
        "name": "down", "provider": "vllm", "baseUrl": "http://127.0.0.1:9/v1", "secret": "sk-x-0123456789abcdef",
    });
    let down = stage.server.owner().post("/api/v1/provider-keys", &nowhere).await.data();
    let key = json!({ "label": "down", "masterKeyId": down["id"] });
    let key = token_of(&stage.server.owner().post("/api/v1/virtual-keys", &key).await.data());
    let answer = stage.server.client().bearer(&key).post("/v1/chat/completions", &chat("any")).await;
    assert_eq!(refusal(&answer), is(502, "upstream_unreachable"));
    let row = stage.row(answer.header("alephant-id").unwrap()).await;
    assert_eq!(row["costNanoUsd"], "0", "nothing was sent");
    stage.audit().await;
}

#[tokio::test]
async fn run_tracking_and_model_rules_refuse_with_a_decision() {
    let stage = Stage::set().await;
    let owner = stage.server.owner();
    let agent = json!({
        "type": "ai_agent", "name": "Strict", "masterKeyId": stage.tenant.openai,
        "requireRunTracking": true, "allowedModels": ["gpt-4o*"], "blockedModels": ["gpt-4o"],
    });
    let agent = owner.post("/api/v1/agents", &agent).await.data();
    let client = stage.server.client().bearer(&token_of(&agent["virtualKey"]));
    let path = "/v1/chat/completions";
    assert_eq!(refusal(&client.post(path, &chat("gpt-4o-mini")).await), is(400, "run_id_required"));
    let client = client.with("alephant-run-id", "run_1");
    assert_eq!(client.post(path, &chat("gpt-4o-mini")).await.status, 200);
    for model in ["gpt-4o", "openai/gpt-4o", "o3"] {
        let answer = client.post(path, &chat(model)).await;
        assert_eq!(refusal(&answer), is(403, "model_not_allowed"), "{model}");
        let row = stage.row(answer.header("alephant-id").unwrap()).await;
        assert_eq!(row["decisions"][1]["effect"], "deny", "{row}");
    }
}
