//! Where requests go when a policy routes them: other keys, other models, and what it costs on the way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use rungate_testkit::{Answer, Client, ServerOptions, Sim};
use serde_json::{Value, json};

use super::{Stage, chat, direct, streamed};

/// A stage with a second provider behind a provider key of its own.
pub(super) struct Fork {
    pub stage: Stage,
    pub second: Sim,
    second_key: String,
}

impl Fork {
    async fn set() -> Self {
        Self::set_with(ServerOptions::default()).await
    }

    pub async fn set_with(options: ServerOptions) -> Self {
        let stage = Stage::set_with(options).await;
        let second = Sim::start().await;
        let body = json!({
            "name": "second", "provider": "openai", "baseUrl": second.base_url(), "secret": "sk-second",
            "priority": 200,
        });
        let key = stage.server.owner().post("/api/v1/provider-keys", &body).await.data();
        Self { second_key: key["id"].as_str().unwrap().to_owned(), stage, second }
    }

    async fn routing(&self, config: &Value) -> Answer {
        let body = json!({ "name": "route", "type": "routing", "config": config });
        self.stage.server.owner().post("/api/v1/policies", &body).await
    }

    /// To the second provider key when the first fails.
    pub async fn falls_back(&self, more: &Value) {
        let mut config =
            json!({ "fallbacks": [{ "model": "gpt-4o-mini", "providerKeyId": self.second_key }] });
        for (name, value) in more.as_object().unwrap() {
            config[name] = value.clone();
        }
        let made = self.routing(&config).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }

    /// Sends a chat and leaves before its answer comes: its row.
    async fn leave(&self) -> Value {
        let client = self.stage.tenant.client().with("x-request-id", "left");
        let sending = client.send(Method::POST, "/v1/chat/completions", chat("gpt-4o-mini").to_string());
        let left = tokio::time::timeout(Duration::from_millis(400), sending).await;
        assert!(left.is_err(), "an answer came");
        for _ in 0..200 {
            let rows = self.stage.server.owner().get("/api/v1/requests?requestId=left").await.data();
            if rows["data"][0]["outcome"] == "client_closed" {
                return self.stage.row(rows["data"][0]["id"].as_str().unwrap()).await;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the exchange does not end");
    }

    async fn send(&self, body: &Value) -> (Answer, Value) {
        let client = self.stage.tenant.client();
        let answer = client.send(Method::POST, "/v1/chat/completions", body.to_string()).await;
        let row = self.stage.ended_row(answer.header("alephant-id").unwrap()).await;
        (answer, row)
    }
}

fn keys(row: &Value) -> Vec<&str> {
    row["attempts"].as_array().unwrap().iter().map(|it| it["providerKeyId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_fails_at_one_provider_key_goes_to_the_next_whole_and_streamed() {
    for directives in ["error=500", "error=429", "error=401", "hang", "cut=9"] {
        // A fresh one each: a key that has failed is not asked for a while.
        let fork = Fork::set().await;
        fork.falls_back(&json!({ "timeoutMs": 300 })).await;
        let both = [&*fork.stage.tenant.openai, &*fork.second_key];
        fork.stage.direct(directives).await;
        for body in [chat("gpt-4o-mini"), streamed("gpt-4o-mini")] {
            let (answer, row) = fork.send(&body).await;
            if directives == "cut=9" {
                // An answer that has begun goes to nobody else, however it ends.
                assert_eq!(keys(&row), both[..1], "{row}");
                continue;
            }
            assert_eq!(answer.status, 200, "{directives}: {}", answer.text());
            assert_eq!(keys(&row), both, "{directives}: {row}");
            assert_eq!(row["outcome"], "succeeded");
            assert_eq!(row["providerKeyId"], fork.second_key);
            assert!(row["warnings"].as_array().unwrap().contains(&json!("fallback_used")), "{row}");
            assert_eq!(answer.header("rungate-attempts"), Some("2"));
            let costs =
                |at: usize| row["attempts"][at]["costNanoUsd"].as_str().map(|it| it.parse::<i64>().unwrap());
            let total: i64 = row["costNanoUsd"].as_str().unwrap().parse().unwrap();
            assert_eq!(costs(0).unwrap() + costs(1).unwrap(), total, "{directives}: {row}");
            // Nobody knows what a request without an answer cost: the most it can.
            assert_eq!(costs(0).unwrap() > 0, directives == "hang", "{row}");
            let status = if directives == "hang" { "estimated" } else { "final" };
            assert_eq!(row["costStatus"], status);
            let why = row["decisions"].as_array().unwrap().iter().find(|it| it["type"] == "routing").unwrap();
            assert!(why["reason"].as_str().unwrap().contains("failed"), "{why}");
        }
        fork.stage.audit().await;
    }
}

#[tokio::test]
async fn a_key_that_keeps_failing_is_left_alone_and_tried_again_by_one() {
    let fork = Fork::set().await;
    fork.falls_back(&json!({})).await;
    fork.stage.direct("error=500").await;
    let mut first = 0;
    for _ in 0..12 {
        let (answer, row) = fork.send(&chat("gpt-4o-mini")).await;
        assert_eq!(answer.status, 200);
        first += keys(&row).iter().filter(|key| **key == fork.stage.tenant.openai).count();
        assert!(row["warnings"].as_array().unwrap().contains(&json!("fallback_used")), "{row}");
    }
    assert_eq!(first, 5, "its circuit opens after five failures in a row");
    // All fail: somebody is asked all the same, and the client hears what is the matter.
    let second = Client::new(format!("http://{}", fork.second.address)).with("content-type", "text/plain");
    second.send(Method::POST, "/sim/directives", "error=500".to_owned()).await;
    for _ in 0..6 {
        let (answer, row) = fork.send(&chat("gpt-4o-mini")).await;
        assert!(answer.status.is_server_error(), "{}", answer.text());
        assert!(!keys(&row).is_empty());
    }
}

#[tokio::test]
async fn while_a_key_is_left_alone_requests_go_to_the_first_fallback_that_policies_allow() {
    let fork = Fork::set().await;
    let owner = fork.stage.server.owner();
    let deny = json!({ "name": "no gpt-4o", "type": "model_access", "config": { "denyModels": ["gpt-4o"] } });
    assert_eq!(owner.post("/api/v1/policies", &deny).await.status, 201);
    let config = json!({ "fallbacks": [
        { "model": "gpt-4o", "providerKeyId": fork.second_key },
        { "model": "gpt-4.1-nano", "providerKeyId": fork.second_key },
    ] });
    assert_eq!(fork.routing(&config).await.status, 201);
    fork.stage.direct("error=500").await;
    for _ in 0..8 {
        let (answer, row) = fork.send(&chat("gpt-4o-mini")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(row["model"], "gpt-4.1-nano", "{row}");
    }
}

#[tokio::test]
async fn exactly_one_of_many_finds_out_whether_a_key_answers_again() {
    let fork = Arc::new(Fork::set().await);
    fork.falls_back(&json!({})).await;
    fork.stage.direct("error=429+retry-after=1").await;
    fork.send(&chat("gpt-4o-mini")).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    fork.stage.direct("hang").await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let fork = Arc::clone(&fork);
        clients.spawn(async move {
            let body = chat("gpt-4o-mini");
            tokio::time::timeout(Duration::from_secs(5), fork.send(&body))
                .await
                .is_ok_and(|(answer, _)| answer.status == 200)
        });
    }
    let answered = clients.join_all().await.into_iter().filter(|it| *it).count();
    assert_eq!(answered, 19, "all but the one that finds out");
}

#[tokio::test]
async fn retries_are_as_many_as_the_policy_says_and_on_what_it_says() {
    let fork = Fork::set().await;
    fork.falls_back(&json!({ "retries": { "attempts": 2, "on": ["server_error"] } })).await;
    let (first, second) = (&*fork.stage.tenant.openai, &*fork.second_key);
    fork.stage.direct("error=503").await;
    assert_eq!(keys(&fork.send(&chat("gpt-4o-mini")).await.1), [first, first, first, second]);
    fork.stage.direct("error=429").await;
    assert_eq!(keys(&fork.send(&chat("gpt-4o-mini")).await.1), [first, second]);
}

#[tokio::test]
async fn requests_are_spread_by_weight_exactly() {
    let fork = Fork::set().await;
    let made = fork.routing(&json!({ "balance": "weighted" })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let owner = fork.stage.server.owner();
    let weigh = async |key: &str, weight: i64| {
        let path = format!("/api/v1/provider-keys/{key}");
        owner.send(Method::PATCH, &path, json!({ "weight": weight }).to_string()).await
    };
    assert_eq!(weigh(&fork.second_key, 3).await.data()["weight"], 3);
    assert_eq!(weigh(&fork.second_key, 0).await.status, 400);
    let mut counts = HashMap::new();
    for _ in 0..20 {
        let answer = fork.stage.tenant.open_client().post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let row = fork.stage.ended_row(answer.header("alephant-id").unwrap()).await;
        *counts.entry(row["providerKeyId"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!((counts[&fork.second_key], counts[&fork.stage.tenant.openai]), (15, 5));
}

#[tokio::test]
async fn the_faster_key_gets_the_requests() {
    let fork = Fork::set().await;
    assert_eq!(fork.routing(&json!({ "balance": "least_latency" })).await.status, 201);
    fork.stage.direct("latency=150").await;
    let mut second = 0;
    for _ in 0..10 {
        let answer = fork.stage.tenant.open_client().post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
        let row = fork.stage.ended_row(answer.header("alephant-id").unwrap()).await;
        second += usize::from(row["providerKeyId"] == fork.second_key);
    }
    assert!(second >= 8, "{second} of 10");
}

#[tokio::test]
async fn a_fallback_goes_around_no_policy_and_leaves_the_agents_key_only_when_it_says_so() {
    let fork = Fork::set().await;
    let owner = fork.stage.server.owner();
    let deny = json!({ "name": "no gpt-4o", "type": "model_access", "config": { "denyModels": ["gpt-4o"] } });
    assert_eq!(owner.post("/api/v1/policies", &deny).await.status, 201);
    let config = json!({ "fallbacks": [
        { "model": "gpt-4o", "providerKeyId": fork.second_key },
        { "model": "gpt-4.1-mini" },
        { "model": "gpt-4.1-nano", "providerKeyId": fork.second_key },
    ] });
    assert_eq!(fork.routing(&config).await.status, 201);
    fork.stage.direct("error=500").await;
    let (answer, row) = fork.send(&chat("gpt-4o-mini")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (first, second) = (&*fork.stage.tenant.openai, &*fork.second_key);
    assert_eq!(keys(&row), [first, first, second]);
    let models: Vec<_> = row["attempts"].as_array().unwrap().iter().map(|it| it["model"].clone()).collect();
    assert_eq!(models, ["gpt-4o-mini", "gpt-4.1-mini", "gpt-4.1-nano"]);
    let said = row["decisions"].to_string();
    assert!(said.contains("not openai/gpt-4o (second)"), "{said}");
}

#[tokio::test]
async fn little_left_of_a_budget_means_the_cheaper_model() {
    let fork = Fork::set().await;
    let downgrade = json!({ "downgrade": { "belowRemainingPct": 100, "toModel": "gpt-4o-mini" } });
    assert_eq!(fork.routing(&downgrade).await.status, 201);
    let budget = json!({ "scope": { "type": "workspace", "id": null }, "limitUsd": 5, "window": "total" });
    assert_eq!(fork.stage.server.owner().post("/api/v1/budgets", &budget).await.status, 201);
    let mut body = chat("gpt-4o");
    body["max_tokens"] = json!(100);
    let (_, row) = fork.send(&body).await;
    assert_eq!(row["model"], "gpt-4o", "nothing is spent yet: {row}");
    let (answer, row) = fork.send(&body).await;
    assert_eq!((&row["model"], &row["requestedModel"]), (&json!("gpt-4o-mini"), &json!("gpt-4o")), "{row}");
    assert!(answer.header("rungate-warning").unwrap().contains("model_downgraded"));
}

#[tokio::test]
async fn w_105_what_leads_nowhere_or_in_a_circle_is_refused_with_its_place() {
    let fork = Fork::set().await;
    let owner = fork.stage.server.owner();
    let aliases = json!({ "settings": { "modelAliases": { "fast": "gpt-4o-mini" } } });
    let workspaces = owner.get("/api/v1/workspaces").await.data();
    let path = format!("/api/v1/workspaces/{}", workspaces["data"][0]["id"].as_str().unwrap());
    let named = owner.send(Method::PATCH, &path, aliases.to_string()).await;
    assert!(named.status.is_success(), "{}", named.text());
    let second = &fork.second_key;
    let stranger = "018f7f83-2a7a-7f1a-9b2f-2f2b21e8a007";
    for (config, field) in [
        (json!({ "fallbacks": [{ "model": "no-such-model" }] }), "config.fallbacks[0].model"),
        (
            json!({ "fallbacks": [{ "model": "gpt-4o", "providerKeyId": stranger }] }),
            "config.fallbacks[0].providerKeyId",
        ),
        (json!({ "fallbacks": [{ "model": "gpt-4o" }, { "model": "gpt-4o" }] }), "config.fallbacks[1]"),
        (
            json!({ "fallbacks": [{ "model": "gpt-4o-mini", "providerKeyId": second }, { "model": "fast", "providerKeyId": second }] }),
            "config.fallbacks[1]",
        ),
        (json!({ "retries": { "attempts": 6 } }), "config.retries.attempts"),
        (json!({ "retries": { "on": ["everything"] } }), "config.retries.on[0]"),
        (json!({ "timeoutMs": 0 }), "config.timeoutMs"),
        (json!({ "balance": "random" }), "config.balance"),
        (
            json!({ "downgrade": { "belowRemainingPct": 0, "toModel": "gpt-4o" } }),
            "config.downgrade.belowRemainingPct",
        ),
    ] {
        let answer = fork.routing(&config).await;
        assert_eq!(answer.status, 400, "{config}: {}", answer.text());
        assert_eq!(answer.json()["error"]["field"], field, "{config}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_between_attempts_that_cost_nothing_pays_nothing() {
    let fork = Fork::set().await;
    let body = json!({
        "scope": { "type": "workspace", "id": null }, "limitNanoUsd": "30000000", "window": "total", "action": "block_requests",
    });
    let budget = fork.stage.server.owner().post("/api/v1/budgets", &body).await.data();
    fork.stage.direct("error=503+retry-after=1").await;
    let row = fork.leave().await;
    assert_eq!(row["attempts"].as_array().unwrap().len(), 1, "{row}");
    assert_eq!((&row["costNanoUsd"], &row["costStatus"]), (&json!("0"), &json!("final")), "{row}");
    let path = format!("/api/v1/budgets/{}", budget["id"].as_str().unwrap());
    let now = fork.stage.server.owner().get(&path).await.data();
    assert_eq!((&now["spentNanoUsd"], &now["reservedNanoUsd"]), (&json!("0"), &json!("0")), "{now}");
}

#[tokio::test]
async fn an_attempt_that_a_client_does_not_wait_for_is_on_the_record_and_costs_what_nobody_knows() {
    let fork = Fork::set().await;
    fork.falls_back(&json!({})).await;
    fork.stage.direct("error=500").await;
    direct(&fork.second, "hang").await;
    let row = fork.leave().await;
    assert_eq!(keys(&row), [&*fork.stage.tenant.openai, &*fork.second_key], "{row}");
    assert_eq!(row["attempts"][0]["costNanoUsd"], "0", "{row}");
    assert_eq!(row["attempts"][1]["costNanoUsd"], Value::Null, "{row}");
    assert_eq!(row["attempts"][1]["errorCode"], "client_closed", "{row}");
    assert!(row["attempts"][1]["latencyMs"].as_u64().unwrap() > 50, "{row}");
    assert_eq!((&row["costNanoUsd"], &row["costStatus"]), (&Value::Null, &json!("unknown")), "{row}");
}

#[tokio::test]
async fn what_goes_on_with_what_one_key_keeps_stays_with_it() {
    let fork = Fork::set().await;
    fork.falls_back(&json!({ "balance": "weighted" })).await;
    fork.stage.direct("error=500").await;
    let client = fork.stage.tenant.client();
    let mut body = json!({ "model": "gpt-4o-mini", "input": "go on", "previous_response_id": "resp_1" });
    let answer = client.post("/v1/responses", &body).await;
    let row = fork.stage.ended_row(answer.header("alephant-id").unwrap()).await;
    let first = &*fork.stage.tenant.openai;
    assert!(answer.status.is_server_error() && keys(&row).iter().all(|key| *key == first), "{row}");
    body.as_object_mut().unwrap().remove("previous_response_id");
    body["store"] = json!(false);
    let answer = client.post("/v1/responses", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
