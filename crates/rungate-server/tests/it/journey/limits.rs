//! Rate limits over a restart; limits and budgets as fields of agents and keys.

use http::Method;
use serde_json::{Value, json};

use super::{Stage, chat};

impl Stage {
    async fn limit(&self, config: &Value) {
        let body = json!({ "name": "calm", "type": "rate_limit", "config": config });
        let made = self.server.owner().post("/api/v1/policies", &body).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }
}

#[tokio::test]
async fn a_restart_gives_nobody_a_second_ration() {
    for config in [json!({ "requestsPerHour": 5 }), json!({ "requestsPerMinute": 5, "per": "workspace" })] {
        let mut stage = Stage::set().await;
        stage.limit(&config).await;
        let body = chat("gpt-4o-mini").to_string();
        for _ in 0..3 {
            let client = stage.tenant.client();
            assert_eq!(client.send(Method::POST, "/v1/chat/completions", body.clone()).await.status, 200);
        }
        stage.server.kill().await;
        stage.server.restart().await;
        let mut statuses = Vec::new();
        for _ in 0..4 {
            let client = stage.tenant.client();
            let answer = client.send(Method::POST, "/v1/chat/completions", body.clone()).await;
            statuses.push(answer.status.as_u16());
        }
        assert_eq!(statuses, [200, 200, 429, 429], "{config}");
    }
    let mut stage = Stage::set().await;
    stage.limit(&json!({ "tokensPerMinute": 1_000 })).await;
    let mut body = chat("gpt-4o-mini");
    body["max_tokens"] = json!(600);
    let send = |stage: &Stage| {
        let (client, body) = (stage.tenant.client(), body.to_string());
        async move { client.send(Method::POST, "/v1/chat/completions", body).await.status.as_u16() }
    };
    while send(&stage).await == 200 {}
    stage.server.kill().await;
    stage.server.restart().await;
    assert_eq!(send(&stage).await, 429, "tokens are counted anew as well");
}

#[tokio::test]
async fn limits_that_stand_on_an_agent_or_a_key_hold_like_a_policys() {
    let mut stage = Stage::set().await;
    let owner = stage.server.owner();
    let agent = format!("/api/v1/agents/{}", stage.tenant.agent["id"].as_str().unwrap());
    let patch = async |path: &str, body: &Value| {
        let answer = owner.send(Method::PATCH, path, body.to_string()).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        answer.data()
    };
    let changed = patch(&agent, &json!({ "rateLimitRph": 3, "rateLimitRpm": 100 })).await;
    assert_eq!((&changed["rateLimitRph"], &changed["rateLimitRpm"]), (&json!(3), &json!(100)));
    let body = chat("gpt-4o-mini").to_string();
    let send = |stage: &Stage| {
        let (client, body) = (stage.tenant.client(), body.clone());
        async move { client.send(Method::POST, "/v1/chat/completions", body).await }
    };
    for _ in 0..2 {
        assert_eq!(send(&stage).await.status, 200);
    }
    let last = send(&stage).await;
    assert_eq!((last.status.as_u16(), last.header("x-ratelimit-remaining")), (200, Some("0")));
    let refused = send(&stage).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["error"]["code"].as_str()),
        (429, Some("rate_limit_exceeded"))
    );
    let row = stage.ended_row(refused.header("alephant-id").unwrap()).await;
    assert!(row["decisions"].to_string().contains("agent.rate_limit"), "{row}");
    stage.server.kill().await;
    stage.server.restart().await;
    assert_eq!(send(&stage).await.status, 429, "a restart resets it no more than a policy's");
    let changed = patch(&agent, &json!({ "rateLimitRph": null, "maxConcurrent": 2 })).await;
    assert_eq!((&changed["rateLimitRph"], &changed["maxConcurrent"]), (&json!(null), &json!(2)));
    assert_eq!(send(&stage).await.status, 200);

    let key = stage
        .server
        .owner()
        .post("/api/v1/virtual-keys", &json!({ "label": "slow", "rateLimitRpm": 1 }))
        .await;
    let token = key.data()["fullToken"].as_str().unwrap().to_owned();
    let client = rungate_testkit::Client::new(&stage.server.origin).bearer(&token);
    let statuses = [
        client.send(Method::POST, "/v1/chat/completions", body.clone()).await.status.as_u16(),
        client.send(Method::POST, "/v1/chat/completions", body.clone()).await.status.as_u16(),
    ];
    assert_eq!(statuses, [200, 429]);
}

#[tokio::test]
async fn a_budget_stands_on_an_agent_or_a_key_and_goes_with_it() {
    let stage = Stage::set().await;
    let owner = stage.server.owner();
    let agent = format!("/api/v1/agents/{}", stage.tenant.agent["id"].as_str().unwrap());
    let patch = async |path: &str, body: Value| owner.send(Method::PATCH, path, body.to_string()).await;
    assert_eq!(
        patch(&agent, json!({ "budgetWindow": "daily" })).await.status,
        400,
        "there is none to change"
    );
    let changed = patch(&agent, json!({ "monthlyBudgetUsd": 0, "budgetAction": "pause" })).await.data();
    assert_eq!(
        (&changed["monthlyBudgetUsd"], &changed["budgetAction"]),
        (&json!(0), &json!("block_requests"))
    );
    let body = chat("gpt-4o-mini");
    let send = async || stage.tenant.client().post("/v1/chat/completions", &body).await.status.as_u16();
    assert_eq!(send().await, 429, "nothing may be spent");
    let changed = patch(&agent, json!({ "budget": "12.5", "budgetWindow": "total" })).await.data();
    assert_eq!((&changed["budgetCents"], &changed["budgetWindow"]), (&json!(1250), &json!("total")));
    assert_eq!(send().await, 200);
    assert_eq!(owner.get("/api/v1/budgets").await.data()["total"], 1);
    assert_eq!(patch(&agent, json!({ "monthlyBudgetUsd": null })).await.data()["budget"], json!(null));
    assert_eq!(owner.get("/api/v1/budgets").await.data()["total"], 0);

    let key = json!({ "label": "paid", "budget": 5, "budgetWindow": "weekly" });
    let key = owner.post("/api/v1/virtual-keys", &key).await.data();
    assert_eq!((&key["budgetNanoUsd"], &key["budgetWindow"]), (&json!("5000000000"), &json!("weekly")));
    let id = key["id"].as_str().unwrap();
    let each = json!({ "scope": { "type": "run", "id": null, "of": { "type": "virtual_key", "id": id } }, "limitUsd": 1 });
    assert_eq!(owner.post("/api/v1/budgets", &each).await.status, 201);
    assert_eq!(owner.get("/api/v1/budgets").await.data()["total"], 2);
    let listed = owner.get("/api/v1/virtual-keys").await.data();
    assert!(listed.to_string().contains("5000000000"), "{listed}");
    owner.post(&format!("/api/v1/virtual-keys/{id}/revoke"), &json!({})).await;
    assert_eq!(owner.get("/api/v1/budgets").await.data()["total"], 0, "both are gone with the key");
    for (body, field) in [
        (json!({ "label": "x", "budget": -1 }), "budget"),
        (json!({ "label": "x", "budget": "much" }), "budget"),
        (json!({ "label": "x", "rateLimitRpm": 0 }), "rateLimitRpm"),
        (json!({ "label": "x", "maxConcurrent": 4_000_000_000_u64 }), "maxConcurrent"),
    ] {
        let refused = owner.post("/api/v1/virtual-keys", &body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.json()["error"]["field"].as_str()),
            (400, Some(field)),
            "{body}"
        );
    }
}
