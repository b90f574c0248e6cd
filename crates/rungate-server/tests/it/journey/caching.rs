//! Answers that are kept for equal requests: who gets them, who does not, and what they cost.

use http::Method;
use rungate_testkit::{Answer, Client, ServerOptions};
use serde_json::{Value, json};

use super::{Stage, chat, streamed};

impl Stage {
    /// Makes a policy of a workspace.
    async fn policy(&self, rule: &str, config: Value) -> String {
        self.policy_for(json!({ "type": "workspace" }), rule, config).await
    }

    async fn policy_for(&self, target: Value, rule: &str, config: Value) -> String {
        let body = json!({ "name": rule, "type": rule, "config": config, "target": target });
        let made = self.server.owner().post("/api/v1/policies", &body).await;
        assert!(made.status.is_success(), "{body}: {}", made.text());
        format!("/api/v1/policies/{}", made.data()["id"].as_str().unwrap())
    }

    async fn change(&self, path: &str, change: Value) {
        let changed = self.server.owner().send(Method::PATCH, path, change.to_string()).await;
        assert!(changed.status.is_success(), "{path} {change}: {}", changed.text());
    }

    /// A client with a new key of its own.
    async fn new_client(&self, key: &Value) -> Client {
        let made = self.server.owner().post("/api/v1/virtual-keys", key).await;
        assert!(made.status.is_success(), "{key}: {}", made.text());
        Client::new(&self.server.origin).bearer(made.data()["fullToken"].as_str().unwrap())
    }

    /// How many requests the provider got.
    async fn upstream(&self) -> u64 {
        self.sim.stats().await["requests_total"].as_u64().unwrap()
    }

    async fn row_of(&self, answer: &Answer) -> Value {
        self.ended_row(answer.header("alephant-id").unwrap()).await
    }
}

async fn ask(client: &Client, body: &Value) -> Answer {
    let answer = client.post("/v1/chat/completions", body).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    answer
}

/// What the answer says of the cache.
fn cache(answer: &Answer) -> Option<&str> {
    answer.header("rungate-cache")
}

#[tokio::test]
async fn an_equal_request_is_answered_again_at_no_cost() {
    let stage = Stage::set().await;
    let client = stage.tenant.client();
    let plain = ask(&client, &chat("gpt-4o-mini")).await;
    assert_eq!(cache(&plain), None, "nobody asked");
    stage.policy("caching", json!({ "ttlSeconds": 600 })).await;
    let first = ask(&client, &chat("gpt-4o-mini")).await;
    assert_eq!((cache(&first), first.header("age")), (Some("MISS"), None));
    let before = stage.upstream().await;
    let second = ask(&client, &chat("gpt-4o-mini")).await;
    assert_eq!(cache(&second), Some("HIT"));
    assert_eq!(second.header("age"), Some("0"));
    assert_eq!(second.text(), first.text());
    assert_eq!(second.header("content-type"), first.header("content-type"));
    assert_ne!(second.header("alephant-id"), first.header("alephant-id"));
    assert_eq!(stage.upstream().await, before, "nothing went upstream");

    let (paid, free) = (stage.row_of(&first).await, stage.row_of(&second).await);
    assert_eq!((&paid["cache"], &paid["cacheSavedNanoUsd"]), (&json!("miss"), &Value::Null));
    assert_eq!((&free["cache"], &free["cacheSavedNanoUsd"]), (&json!("hit"), &paid["costNanoUsd"]));
    assert!(paid["costNanoUsd"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!((&free["costNanoUsd"], &free["costStatus"]), (&json!("0"), &json!("final")));
    assert_eq!((&free["outcome"], &free["status"]), (&json!("succeeded"), &json!(200)));
    assert_eq!((&free["tokens"]["input"], &free["tokens"]["output"]), (&json!(0), &json!(0)));
    assert_eq!((&free["attempts"], &free["model"]), (&json!([]), &paid["model"]));
    assert_eq!(free["previewOut"], paid["previewOut"]);
    stage.audit().await;
}
