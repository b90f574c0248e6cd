//! Who gets a kept answer, and what is asked before.

use serde_json::json;

use super::{Stage, ask, cache, chat, streamed};

#[tokio::test]
async fn an_answer_goes_to_nobody_outside_of_its_scope() {
    let stage = Stage::set().await;
    let agent = &stage.tenant.agent["id"];
    let of_agent = json!({ "label": "second", "entityType": "agent", "entityId": agent });
    let same_agent = stage.new_client(&of_agent).await;
    let other = json!({ "type": "ai_agent", "name": "Other Bot", "masterKeyId": stage.tenant.openai });
    let other = stage.server.owner().post("/api/v1/agents", &other).await.data();
    let other_key = json!({ "label": "other", "entityType": "agent", "entityId": other["id"] });
    let other_agent = stage.new_client(&other_key).await;
    let client = stage.tenant.client();
    let policy = stage.policy("caching", json!({ "scope": "key" })).await;
    for (scope, for_same_agent, for_other_agent) in
        [("key", "MISS", "MISS"), ("agent", "HIT", "MISS"), ("workspace", "HIT", "HIT")]
    {
        stage.change(&policy, json!({ "config": { "scope": scope } })).await;
        let body = chat("gpt-4o-mini");
        assert_eq!(cache(&ask(&client, &body).await), Some("MISS"), "{scope}: another scope, another place");
        assert_eq!(cache(&ask(&client, &body).await), Some("HIT"), "{scope}");
        assert_eq!(cache(&ask(&same_agent, &body).await), Some(for_same_agent), "{scope}");
        assert_eq!(cache(&ask(&other_agent, &body).await), Some(for_other_agent), "{scope}");
    }
}

#[tokio::test]
async fn saying_to_be_an_agent_that_nobody_registered_opens_no_cache() {
    let stage = Stage::set().await;
    stage.policy("caching", json!({ "scope": "agent" })).await;
    let mut body = chat("openai/gpt-4o-mini");
    body["user"] = json!("x");
    let posing = |client: rungate_testkit::Client| client.with("alephant-agent-id", "agt_nobody_0000");
    let one = posing(stage.tenant.open_client());
    let two = posing(stage.new_client(&json!({ "label": "two" })).await);
    assert_eq!(cache(&ask(&one, &body).await), Some("MISS"));
    assert_eq!(cache(&ask(&one, &body).await), Some("HIT"));
    stage.knows_agent("agt_nobody_0000").await;
    assert_eq!(cache(&ask(&one, &body).await), Some("HIT"), "remembered, it is the same agent");
    assert_eq!(cache(&ask(&two, &body).await), Some("MISS"));
}

impl Stage {
    /// Waits until an agent that was only named is among the agents.
    async fn knows_agent(&self, external_id: &str) {
        for _ in 0..200 {
            let agents = self.server.owner().get("/api/v1/agents").await.text();
            if agents.contains(external_id) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("{external_id} is not remembered");
    }
}

#[tokio::test]
async fn nothing_is_given_through_a_provider_key_that_is_gone() {
    let stage = Stage::set().await;
    stage.policy("caching", json!({ "scope": "workspace" })).await;
    let open = stage.tenant.open_client();
    let body = chat("openai/gpt-4o-mini");
    assert_eq!(cache(&ask(&open, &body).await), Some("MISS"));
    assert_eq!(cache(&ask(&open, &body).await), Some("HIT"));
    let second = json!({
        "name": "second", "provider": "openai", "baseUrl": stage.sim.base_url(), "secret": "sk-another",
    });
    let owner = stage.server.owner();
    assert!(owner.post("/api/v1/provider-keys", &second).await.status.is_success());
    assert_eq!(cache(&ask(&open, &body).await), Some("HIT"), "the first is still there");
    let path = format!("/api/v1/provider-keys/{}?cascade=true", stage.tenant.openai);
    assert!(owner.send(http::Method::DELETE, &path, "").await.status.is_success());
    assert_eq!(cache(&ask(&open, &body).await), Some("MISS"));
    let refused = stage.tenant.client().post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    assert_eq!(refused.status, 401, "{}", refused.text());
}

#[tokio::test]
async fn no_kept_answer_goes_around_a_policy_or_a_limit() {
    let stage = Stage::set().await;
    stage.policy("caching", json!({})).await;
    let client = stage.tenant.client();
    let body = chat("gpt-4o-mini");
    assert_eq!(cache(&ask(&client, &body).await), Some("MISS"));
    assert_eq!(cache(&ask(&client, &body).await), Some("HIT"));
    let before = stage.upstream().await;
    let answer = async || client.post("/v1/chat/completions", &body).await;
    for (rule, config, status, code) in [
        ("model_access", json!({ "denyModels": ["gpt-4o*"] }), 403, "model_not_allowed"),
        ("ip_allowlist", json!({ "cidrs": ["203.0.113.0/24"] }), 403, "ip_not_allowed"),
        ("run_limits", json!({ "requireRunId": true }), 400, "run_id_required"),
        ("request_limits", json!({ "maxInputTokens": 1 }), 403, "policy_denied"),
        (
            "content_filter",
            json!({ "detectors": [{ "name": "nice", "regex": "nice" }], "action": "refuse" }),
            403,
            "policy_denied",
        ),
        (
            "content_filter",
            json!({ "detectors": [{ "name": "all", "regex": "choices|[a-z]{3}" }], "on": "response", "action": "refuse" }),
            403,
            "policy_denied",
        ),
    ] {
        let policy = stage.policy(rule, config).await;
        let refused = answer().await;
        assert_eq!((refused.status.as_u16(), refused.error_code().as_str()), (status, code), "{rule}");
        let row = stage.row_of(&refused).await;
        assert_eq!((&row["outcome"], &row["costNanoUsd"]), (&json!("refused"), &json!("0")), "{rule}");
        let gone = stage.server.owner().send(http::Method::DELETE, &policy, "").await;
        assert!(gone.status.is_success());
        assert_eq!(cache(&answer().await), Some("HIT"), "{rule} is gone");
    }
    // Kept answers count.
    stage.policy("rate_limit", json!({ "requestsPerDay": 2 })).await;
    for remaining in ["1", "0"] {
        let hit = answer().await;
        assert_eq!((cache(&hit), hit.header("x-ratelimit-remaining")), (Some("HIT"), Some(remaining)));
    }
    assert_eq!(answer().await.error_code(), "rate_limit_exceeded");
    assert_eq!(stage.upstream().await, before, "all of it without the provider");
    let keys = stage.server.owner().get("/api/v1/virtual-keys").await.data();
    let own = keys["data"].as_array().unwrap().iter().find(|key| key["entityId"] == stage.tenant.agent["id"]);
    let path = format!("/api/v1/virtual-keys/{}", own.unwrap()["id"].as_str().unwrap());
    stage.change(&path, json!({ "status": "disabled" })).await;
    assert_eq!(answer().await.status, 401);
    stage.audit().await;
}

#[tokio::test]
async fn token_limits_and_budgets_are_not_touched_by_kept_answers() {
    let stage = Stage::set().await;
    stage.policy("caching", json!({})).await;
    stage.policy("rate_limit", json!({ "tokensPerMinute": 4_000 })).await;
    let budget = json!({
        "scope": { "type": "agent", "id": stage.tenant.agent["id"] },
        "limitNanoUsd": "50000000", "window": "total", "action": "block_requests",
    });
    let budget = stage.server.owner().post("/api/v1/budgets", &budget).await.data();
    let path = format!("/api/v1/budgets/{}", budget["id"].as_str().unwrap());
    let spent = async || {
        let budget = stage.server.owner().get(&path).await.data();
        (budget["spentNanoUsd"].clone(), budget["reservedNanoUsd"].clone())
    };
    let client = stage.tenant.client();
    for mut body in [chat("gpt-4o-mini"), streamed("gpt-4o-mini")] {
        body["max_tokens"] = json!(32);
        let paid = ask(&client, &body).await;
        assert_eq!(cache(&paid), Some("MISS"));
        let before = spent().await;
        assert_ne!(before.0, "0");
        assert_eq!(before.1, "0");
        // Each would take some 1,200 tokens, were any used.
        for _ in 0..6 {
            let hit = ask(&client, &body).await;
            assert_eq!(cache(&hit), Some("HIT"));
            assert_eq!(stage.row_of(&hit).await["reservedNanoUsd"], json!(null));
        }
        assert_eq!(spent().await, before);
    }
    // Used up, it lets pass what costs nothing.
    stage.change(&path, json!({ "limitNanoUsd": "1" })).await;
    let mut kept = chat("gpt-4o-mini");
    kept["max_tokens"] = json!(32);
    assert_eq!(cache(&ask(&client, &kept).await), Some("HIT"));
    kept["max_tokens"] = json!(33);
    let refused = client.post("/v1/chat/completions", &kept).await;
    assert_eq!(refused.error_code(), "budget_exhausted");
    stage.audit().await;
}

#[tokio::test]
async fn an_answer_that_a_budget_cut_short_is_not_kept_for_others() {
    let stage = Stage::set().await;
    stage.policy("caching", json!({ "scope": "workspace" })).await;
    let budget = json!({
        "scope": { "type": "agent", "id": stage.tenant.agent["id"] },
        "limitNanoUsd": "400000", "window": "total", "action": "clamp",
    });
    assert!(stage.server.owner().post("/api/v1/budgets", &budget).await.status.is_success());
    let mut body = chat("gpt-4o-mini");
    body["max_tokens"] = json!(100_000);
    let short = ask(&stage.tenant.client(), &body).await;
    assert!(short.header("rungate-warning").unwrap().contains("max_tokens_lowered"));
    let other = json!({ "label": "other", "masterKeyId": stage.tenant.openai });
    let other = stage.new_client(&other).await;
    assert_eq!(cache(&ask(&other, &body).await), Some("MISS"), "it gets all of it");
    assert_eq!(cache(&ask(&other, &body).await), Some("HIT"));
    // A limit that a policy puts in each request is part of what is asked.
    stage.policy("request_limits", json!({ "maxOutputTokens": 50, "onExceed": "clamp" })).await;
    assert_eq!(cache(&ask(&other, &body).await), Some("MISS"));
    assert_eq!(cache(&ask(&other, &body).await), Some("HIT"));
}

#[tokio::test]
async fn requests_are_equal_as_they_are_sent() {
    let stage = Stage::set().await;
    stage.policy("caching", json!({})).await;
    let mask = json!({ "detectors": ["email"], "on": "request", "action": "redact" });
    stage.policy("content_filter", mask).await;
    let client = stage.tenant.client();
    let said =
        |words: &str| json!({ "model": "gpt-4o-mini", "messages": [{ "role": "user", "content": words }] });
    assert_eq!(cache(&ask(&client, &said("mail zoe@example.com")).await), Some("MISS"));
    assert_eq!(
        cache(&ask(&client, &said("mail bob@example.com")).await),
        Some("HIT"),
        "masked, they are equal"
    );
    assert_eq!(cache(&ask(&client, &said("mail  bob@example.com")).await), Some("MISS"));
    let mut hotter = said("mail zoe@example.com");
    hotter["temperature"] = json!(0.2);
    assert_eq!(cache(&ask(&client, &hotter).await), Some("MISS"));
    let beta = client.clone().with("openai-beta", "assistants=v2");
    assert_eq!(cache(&ask(&beta, &said("mail zoe@example.com")).await), Some("MISS"));
    let keyed = client.clone().with("idempotency-key", "1");
    assert_eq!(cache(&ask(&keyed, &said("mail zoe@example.com")).await), Some("HIT"));
}
