//! Whole answers, in both dialects and between them.

use base64::Engine as _;
use http::Method;
use serde_json::{Value, json};

use super::{Stage, chat};

#[tokio::test]
async fn w_040_a_chat_is_answered_priced_and_found_again() {
    let stage = Stage::set().await;
    let client = stage.tenant.client().with("x-request-id", "req-1").with("alephant-run-id", "run_8421");
    let answer = client.post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["object"], "chat.completion");
    assert_eq!(answer.header("x-request-id"), Some("req-1"));
    assert_eq!(answer.header("rungate-provider"), Some("openai"));
    assert_eq!(answer.header("rungate-attempts"), Some("1"));

    let id = answer.header("alephant-id").unwrap();
    let row = stage.row(id).await;
    assert_eq!(row["outcome"], "succeeded");
    assert_eq!(row["requestId"], "req-1");
    assert_eq!(row["runId"], "run_8421");
    assert_eq!(row["model"], "gpt-4o-mini");
    assert_eq!(row["provider"], "openai");
    assert_eq!(row["agentId"], stage.tenant.agent["id"]);
    assert_eq!(row["agentTrust"], "auth_bound");
    assert_eq!(row["usageSource"], "reported");
    assert_eq!(row["costStatus"], "final");
    let usage = &answer.json()["usage"];
    assert_eq!(row["tokens"]["input"], usage["prompt_tokens"]);
    assert_eq!(row["tokens"]["output"], usage["completion_tokens"]);

    // The public list price of the model: 0.15 and 0.60 US dollars per million tokens.
    let tokens = |name: &str| usage[name].as_i64().unwrap();
    let cost = tokens("prompt_tokens") * 150 + tokens("completion_tokens") * 600;
    assert_eq!(row["costNanoUsd"], cost.to_string());
    assert_eq!(answer.header("rungate-cost-nano-usd"), Some(cost.to_string().as_str()));
    assert!(row["priceSnapshotId"].is_string());

    let by_request_id = stage.server.owner().get("/api/v1/requests?requestId=req-1").await.data();
    assert_eq!(by_request_id["data"][0]["id"], id);
    let run = stage.server.owner().get("/api/v1/runs/run_8421").await.data();
    assert_eq!(run["requests"], 1);
    assert_eq!(run["costNanoUsd"], cost.to_string());
    let agent = stage.tenant.agent["externalId"].as_str().unwrap();
    let by_agent = stage.server.owner().get(&format!("/api/v1/requests?agentId={agent}")).await.data();
    assert_eq!(by_agent["data"][0]["id"], id);
    stage.audit().await;
}

#[tokio::test]
async fn w_092_a_just_answered_request_is_found_six_times_in_a_row() {
    let stage = Stage::set().await;
    for number in 0..20 {
        let name = format!("req-{number}");
        let client = stage.tenant.client().with("x-request-id", &name);
        client.post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
        for _ in 0..6 {
            let found = stage.tenant.client().get(&format!("/v1/analytics/request-logs/{name}")).await;
            assert!(found.data()["cost"].is_number(), "{}", found.text());
        }
    }
}

#[tokio::test]
async fn w_041_unknown_fields_survive_byte_for_byte_both_ways() {
    let stage = Stage::set().await;
    let body = "{ \"x_new\" : [1.50, {\"é\":null}],\"model\" :\"openai/gpt-4o-mini\" , \
                \"messages\":[{\"role\":\"user\",\"content\":\"hi\",\"x\":1e3}]}";
    let answer = stage.tenant.client().send(Method::POST, "/v1/chat/completions", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["x_sim"], json!({ "unknown": true }));
    let sent = stage.sim.stats().await["last_request"]["body_base64"].as_str().unwrap().to_owned();
    let expected = body.replace("openai/gpt-4o-mini", "gpt-4o-mini");
    assert_eq!(base64::engine::general_purpose::STANDARD.decode(sent).unwrap(), expected.as_bytes());
}

#[tokio::test]
async fn w_031_what_is_ours_stays_here() {
    let stage = Stage::set().await;
    let client = stage
        .tenant
        .client()
        .with("cookie", "a=b")
        .with("alephant-run-id", "run_1")
        .with("helicone-property-x", "1")
        .with("x-request-id", "req-1")
        .with("x-forwarded-for", "203.0.113.9")
        .with("x-stainless-lang", "rust")
        .with("openai-organization", "org-1")
        .with("openai-beta", "assistants=v2")
        .with("idempotency-key", "once");
    let answer = client.post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    assert_eq!(answer.status, 200);
    let last = &stage.sim.stats().await["last_request"];
    let names: Vec<&str> =
        last["headers"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
    for name in &names {
        let ours = ["accept", "authorization", "content-length", "content-type", "host", "idempotency-key"];
        assert!(ours.contains(name) || ["openai-beta", "user-agent"].contains(name), "{name} went upstream");
    }
    assert!(names.contains(&"openai-beta") && names.contains(&"idempotency-key"));
    assert!(!last.to_string().contains("vk-"), "the virtual key went upstream");
    for name in answer.headers.keys().map(http::HeaderName::as_str) {
        assert!(!name.starts_with("x-ratelimit") && name != "openai-organization", "{name} came back");
    }
    assert!(answer.header("openai-processing-ms").is_some());
}

#[tokio::test]
async fn w_042_models_resolve_by_provider_alias_and_default() {
    let stage = Stage::set().await;
    let owner = stage.server.owner();
    let open = stage.tenant.open_client();
    let model_of = |answer: &rungate_testkit::Answer| answer.header("rungate-model").unwrap().to_owned();

    let answer = open.post("/v1/chat/completions", &chat("openai/gpt-4o-mini")).await;
    assert_eq!(model_of(&answer), "gpt-4o-mini");
    let answer = open.post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    assert_eq!((answer.status.as_u16(), answer.header("rungate-provider")), (200, Some("openai")));
    let answer = open.post("/v1/chat/completions", &chat("no-such-model")).await;
    assert_eq!((answer.status.as_u16(), answer.error_code().as_str()), (404, "model_not_found"));
    let answer = open.post("/v1/chat/completions", &json!({ "messages": [] })).await;
    assert_eq!((answer.status.as_u16(), answer.error_code().as_str()), (400, "model_required"));

    let workspace =
        owner.get("/api/v1/workspaces").await.data()["data"][0]["id"].as_str().unwrap().to_owned();
    let settings = json!({ "settings": {
        "defaultModel": "openai/gpt-4o-mini",
        "modelAliases": { "fast": "openai/gpt-4o-mini" },
    }});
    let changed =
        owner.send(Method::PATCH, &format!("/api/v1/workspaces/{workspace}"), settings.to_string()).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    for body in [chat("fast"), json!({ "messages": [{ "role": "user", "content": "hi" }] })] {
        let answer = open.post("/v1/chat/completions", &body).await;
        assert_eq!(model_of(&answer), "gpt-4o-mini", "{body}");
    }
}

#[tokio::test]
async fn w_043_models_lists_what_the_key_may_use() {
    let stage = Stage::set().await;
    let list = stage.tenant.client().get("/v1/models?limit=1000").await.json();
    let ids: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"openai/gpt-4o-mini"));
    assert!(ids.iter().all(|id| id.starts_with("openai/")), "the key is bound to one provider key");
    let one = stage.tenant.client().get("/v1/models/openai%2Fgpt-4o-mini").await;
    assert_eq!(one.json()["id"], "openai/gpt-4o-mini");
    let none = stage.tenant.client().get("/v1/models/claude-sonnet-4-5").await;
    assert_eq!((none.status.as_u16(), none.error_code().as_str()), (404, "model_not_found"));
}

#[tokio::test]
async fn chat_and_messages_are_translated_both_ways() {
    let stage = Stage::set().await;
    let open = stage.tenant.open_client();
    let answer = open.post("/v1/chat/completions", &chat("anthropic/claude-sonnet-4-5")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["object"], "chat.completion");
    assert_eq!(answer.header("rungate-provider"), Some("anthropic"));
    let row = stage.row(answer.header("alephant-id").unwrap()).await;
    assert_eq!(row["costStatus"], "final", "{row}");

    let mut body = chat("openai/gpt-4o-mini");
    body["max_tokens"] = json!(64);
    let answer = open.post("/v1/messages", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["type"], "message");
    assert_eq!(answer.header("rungate-provider"), Some("openai"));
    stage.audit().await;
}

#[tokio::test]
async fn every_route_answers_and_leaves_one_row() {
    let stage = Stage::set().await;
    let client = stage.tenant.client();
    let posts: [(&str, Value, &str); 7] = [
        ("/v1/chat/completions", chat("gpt-4o-mini"), "chat"),
        ("/v1/completions", json!({ "model": "gpt-3.5-turbo-instruct", "prompt": "Once" }), "completion"),
        ("/v1/embeddings", json!({ "model": "text-embedding-3-small", "input": "x" }), "embedding"),
        ("/v1/moderations", json!({ "model": "omni-moderation-latest", "input": "x" }), "moderation"),
        ("/v1/responses", json!({ "model": "gpt-4o-mini", "input": "hi" }), "response"),
        ("/v1/images/generations", json!({ "model": "gpt-image-1", "prompt": "a cat" }), "image"),
        ("/v1/audio/speech", json!({ "model": "tts-1", "input": "hello", "voice": "alloy" }), "audio"),
    ];
    for (path, body, kind) in posts {
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(answer.complete && !answer.body.is_empty(), "{path}");
        let row = stage.row(answer.header("alephant-id").unwrap()).await;
        assert_eq!(
            (row["kind"].as_str(), row["outcome"].as_str()),
            (Some(kind), Some("succeeded")),
            "{path}"
        );
        assert_eq!(row["path"], path);
    }
    let form = "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
                --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b--\r\n";
    let answer = client
        .clone()
        .with("content-type", "multipart/form-data; boundary=b")
        .send(Method::POST, "/v1/audio/transcriptions", form)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let row = stage.row(answer.header("alephant-id").unwrap()).await;
    assert_eq!(row["requestedModel"], "whisper-1");
    stage.audit().await;
}

#[tokio::test]
async fn w_056_a_stored_response_is_reached_by_its_own_key_only() {
    let stage = Stage::set().await;
    let client = stage.tenant.client();
    let body = json!({ "model": "gpt-4o-mini", "input": "hi", "store": true });
    let made = client.post("/v1/responses", &body).await.json();
    let path = format!("/v1/responses/{}", made["id"].as_str().unwrap());
    let again = client.get(&path).await;
    assert_eq!((again.status.as_u16(), &again.json()["id"]), (200, &made["id"]));
    let row = stage.row(again.header("alephant-id").unwrap()).await;
    assert_eq!(row["costNanoUsd"], "0", "a stored answer is charged once");
    let others = stage.tenant.open_client().get(&path).await;
    assert_eq!((others.status.as_u16(), others.error_code().as_str()), (404, "not_found"));
    let gone = client.send(Method::DELETE, &path, "").await;
    assert_eq!(gone.status, 200, "{}", gone.text());
}

#[tokio::test]
async fn w_048_w_047_errors_of_the_provider_are_passed_on_or_kept() {
    let stage =
        Stage::set_with(rungate_testkit::ServerOptions::default().env("RUNGATE_UPSTREAM_RETRIES", "0")).await;
    let client = stage.tenant.client();
    for (status, code) in
        [(400, "upstream_error"), (404, "upstream_error"), (429, "upstream_error"), (500, "upstream_error")]
    {
        let answer = client.post("/v1/chat/completions", &chat(&format!("gpt-4o-mini+error={status}"))).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.header("rungate-error-code"), Some(code));
        assert!(answer.json()["error"]["message"].is_string(), "the provider's own body");
        let row = stage.row(answer.header("alephant-id").unwrap()).await;
        assert_eq!(
            (row["outcome"].as_str(), row["costNanoUsd"].as_str()),
            (Some("upstream_failed"), Some("0"))
        );
    }
    for (status, code) in
        [(401, "provider_auth_failed"), (402, "provider_quota_exhausted"), (403, "provider_forbidden")]
    {
        let answer = client.post("/v1/chat/completions", &chat(&format!("gpt-4o-mini+error={status}"))).await;
        assert_eq!((answer.status.as_u16(), answer.error_code().as_str()), (502, code));
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert!(!answer.text().contains("sk-"), "{}", answer.text());
    }
    stage.audit().await;
}

#[tokio::test]
async fn a_failed_attempt_is_repeated_and_both_are_on_the_row() {
    let stage = Stage::set().await;
    let answer =
        stage.tenant.client().post("/v1/chat/completions", &chat("gpt-4o-mini+fail=1+error=503")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("rungate-attempts"), Some("2"));
    let row = stage.row(answer.header("alephant-id").unwrap()).await;
    let attempts = row["attempts"].as_array().unwrap();
    assert_eq!((&attempts[0]["status"], &attempts[1]["status"]), (&json!(503), &json!(200)));
    assert!(attempts[1]["upstreamRequestId"].is_string());
}

#[tokio::test]
async fn with_disk_durability_answers_wait_for_the_disk_and_are_found_after_a_kill() {
    let options = rungate_testkit::ServerOptions::default().env("RUNGATE_JOURNAL_DURABILITY", "disk");
    let mut stage = Stage::set_with(options).await;
    let mut ids = Vec::new();
    for body in [chat("gpt-4o-mini"), super::streamed("gpt-4o-mini")] {
        let answer = stage.tenant.client().post("/v1/chat/completions", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        ids.push(answer.header("alephant-id").unwrap().to_owned());
    }
    stage.server.kill().await;
    stage.server.restart().await;
    for id in &ids {
        assert_eq!(stage.row(id).await["outcome"], "succeeded");
    }
    stage.audit().await;
}
