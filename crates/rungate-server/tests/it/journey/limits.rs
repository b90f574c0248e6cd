//! Rate limits over a restart.

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
