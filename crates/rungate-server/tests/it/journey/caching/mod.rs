//! Answers that are kept for equal requests: who gets them, who does not, and what they cost.

mod kept;
mod shared;

use http::Method;
use rungate_testkit::{Answer, Client};
use serde_json::{Value, json};

use super::{Stage, chat, streamed};

impl Stage {
    /// Makes a policy of a workspace.
    async fn policy(&self, rule: &str, config: Value) -> String {
        self.policy_for(json!({ "type": "workspace" }), rule, config).await
    }

    async fn policy_for(&self, target: Value, rule: &str, config: Value) -> String {
        let body =
            json!({ "name": format!("{rule} {target}"), "type": rule, "config": config, "target": target });
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
    let decision = &free["decisions"][0];
    assert_eq!((&decision["type"], &decision["effect"]), (&json!("caching"), &json!("allow")));
    assert_eq!(decision["reason"], "an answer kept 0 s ago");
    stage.audit().await;
}

/// Every route whose answers are kept, whole and streamed, translated and not.
fn routes() -> Vec<(&'static str, Value)> {
    let messages = json!([{ "role": "user", "content": "hi" }]);
    let (gpt, claude) = ("openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5");
    let whole = [
        ("/v1/chat/completions", json!({ "model": gpt, "messages": messages, "seed": 7 })),
        ("/v1/chat/completions", json!({ "model": claude, "messages": messages })),
        ("/v1/completions", json!({ "model": "openai/gpt-3.5-turbo-instruct", "prompt": "Once" })),
        ("/v1/responses", json!({ "model": gpt, "input": "hi", "store": false })),
        ("/v1/messages", json!({ "model": claude, "messages": messages, "max_tokens": 64 })),
        ("/v1/messages", json!({ "model": gpt, "messages": messages, "max_tokens": 64 })),
    ];
    let streams = whole.clone().map(|(path, mut body)| {
        body["stream"] = json!(true);
        (path, body)
    });
    let embeddings = ("/v1/embeddings", json!({ "model": "openai/text-embedding-3-small", "input": "x" }));
    whole.into_iter().chain(streams).chain([embeddings]).collect()
}

#[tokio::test]
async fn every_route_gives_its_answers_again_as_they_were() {
    let stage = Stage::set().await;
    stage.policy("caching", json!({})).await;
    let client = stage.tenant.open_client();
    for directives in ["", "ragged"] {
        // Another text, so that nothing is kept from the round before.
        stage.direct(directives).await;
        for (path, mut body) in routes() {
            body["user"] = json!(directives);
            let body = if path == "/v1/messages" {
                body.as_object_mut().unwrap().remove("user");
                body["metadata"] = json!({ "user_id": directives });
                body
            } else {
                body
            };
            let first = client.post(path, &body).await;
            assert_eq!(
                (first.status.as_u16(), cache(&first)),
                (200, Some("MISS")),
                "{path}: {}",
                first.text()
            );
            let before = stage.upstream().await;
            let second = client.post(path, &body).await;
            assert_eq!((second.status.as_u16(), cache(&second)), (200, Some("HIT")), "{path} {body}");
            assert_eq!(second.text(), first.text(), "{path}");
            assert_eq!(second.header("content-type"), first.header("content-type"), "{path}");
            assert_eq!(stage.upstream().await, before, "{path}: something went upstream");
            let (paid, free) = (stage.row_of(&first).await, stage.row_of(&second).await);
            assert_eq!(free["stream"], body["stream"].as_bool().unwrap_or(false), "{path}");
            assert_eq!(free["costNanoUsd"], "0", "{path}");
            assert!(paid["costNanoUsd"].is_string(), "{path}");
            assert_eq!(free["cacheSavedNanoUsd"], paid["costNanoUsd"], "{path}");
            for same in ["model", "provider", "responseBytes", "previewOut", "requestedModel", "kind"] {
                assert_eq!(free[same], paid[same], "{path}: {same}");
            }
            let bodies = |id: &str| format!("/api/v1/requests/{id}/bodies");
            let owner = stage.server.owner();
            let kept = owner.get(&bodies(paid["id"].as_str().unwrap())).await.data();
            let again = owner.get(&bodies(free["id"].as_str().unwrap())).await.data();
            assert_eq!(kept, again, "{path}: both are in the log with their bodies");
        }
    }
    stage.audit().await;
}

#[tokio::test]
async fn a_request_for_a_stream_is_never_given_a_whole_answer() {
    let stage = Stage::set().await;
    stage.policy("caching", json!({})).await;
    let client = stage.tenant.client();
    assert_eq!(cache(&ask(&client, &chat("gpt-4o-mini")).await), Some("MISS"));
    let stream = ask(&client, &streamed("gpt-4o-mini")).await;
    assert_eq!(cache(&stream), Some("MISS"));
    let mut with_usage = streamed("gpt-4o-mini");
    with_usage["stream_options"] = json!({ "include_usage": true });
    let usage = ask(&client, &with_usage).await;
    assert_eq!(cache(&usage), Some("MISS"), "another stream: it has its usage");
    for (body, first) in [(streamed("gpt-4o-mini"), stream), (with_usage, usage)] {
        let again = ask(&client, &body).await;
        assert_eq!((cache(&again), again.text()), (Some("HIT"), first.text()));
    }
}

#[tokio::test]
async fn headers_ask_for_caching_and_never_get_around_a_policy() {
    let stage = Stage::set().await;
    let client = stage.tenant.client();
    let asking = client.clone().with("alephant-cache-enabled", "true");
    let body = chat("gpt-4o-mini");
    assert_eq!(cache(&ask(&asking, &body).await), Some("MISS"));
    assert_eq!(cache(&ask(&asking, &body).await), Some("HIT"));
    let unasked = ask(&client, &body).await;
    assert_eq!(cache(&unasked), None, "nobody asked");
    assert_eq!(stage.row_of(&unasked).await["cache"], Value::Null);
    let reading = client.clone().with("helicone-cache-enabled", "true").with("alephant-cache-save", "false");
    assert_eq!(cache(&ask(&reading, &body).await), Some("HIT"));

    // A policy that switches it off.
    let policy = stage.policy("caching", json!({ "enabled": false })).await;
    let denied = ask(&asking, &body).await;
    assert_eq!((cache(&denied), denied.header("rungate-warning")), (None, Some("cache_disabled")));
    // One that switches it on: headers take part of it away.
    stage.change(&policy, json!({ "config": { "scope": "agent" } })).await;
    assert_eq!(cache(&ask(&client, &body).await), Some("HIT"));
    let refusing = client.clone().with("alephant-cache-enabled", "false");
    let refused = ask(&refusing, &body).await;
    assert_eq!(cache(&refused), Some("MISS"));
    assert_eq!(stage.row_of(&refused).await["cache"], "bypass");
    let saving = client.clone().with("alephant-cache-read", "false");
    assert_eq!(cache(&ask(&saving, &body).await), Some("MISS"));
    // One of an agent wins over that of the workspace.
    let agent = json!({ "type": "agent", "id": stage.tenant.agent["id"] });
    let narrower = stage.policy_for(agent, "caching", json!({ "enabled": false })).await;
    assert_eq!(cache(&ask(&client, &body).await), None);
    stage.change(&narrower, json!({ "mode": "log_only" })).await;
    assert_eq!(cache(&ask(&client, &body).await), Some("HIT"));
}

#[tokio::test]
async fn cache_control_is_kept_to() {
    let stage = Stage::set().await;
    stage.policy("caching", json!({})).await;
    let client = stage.tenant.client();
    let saying = |control: &str| client.clone().with("cache-control", control);
    let body = chat("gpt-4o-mini");
    let unkept = ask(&saying("no-store"), &body).await;
    assert_eq!(cache(&unkept), Some("MISS"));
    assert_eq!(stage.row_of(&unkept).await["cache"], "bypass");
    let old = ask(&client, &body).await;
    assert_eq!(cache(&old), Some("MISS"), "nothing was kept");
    stage.direct("tokens=3").await;
    assert_eq!(ask(&client, &body).await.text(), old.text());
    assert_ne!(ask(&saying("no-store"), &body).await.text(), old.text(), "asked anew");
    assert_eq!(ask(&client, &body).await.text(), old.text(), "and not kept");
    let fresh = ask(&saying("no-cache"), &body).await;
    assert_eq!(cache(&fresh), Some("MISS"));
    assert_ne!(fresh.text(), old.text());
    let again = ask(&client, &body).await;
    assert_eq!(
        (cache(&again), again.text()),
        (Some("HIT"), fresh.text()),
        "kept in the place of the old one"
    );
    assert_eq!(cache(&ask(&saying("max-age=0"), &body).await), Some("MISS"));
    assert_eq!(cache(&ask(&saying("max-age=3600"), &body).await), Some("HIT"));
}

#[tokio::test]
async fn an_answer_is_given_until_its_time_is_over() {
    let stage = Stage::set().await;
    let policy = stage.policy("caching", json!({ "ttlSeconds": 2 })).await;
    let client = stage.tenant.client();
    let body = chat("gpt-4o-mini");
    assert_eq!(cache(&ask(&client, &body).await), Some("MISS"));
    let kept = std::time::Instant::now();
    assert_eq!(cache(&ask(&client, &body).await), Some("HIT"));
    tokio::time::sleep(std::time::Duration::from_millis(2_050).saturating_sub(kept.elapsed())).await;
    assert_eq!(cache(&ask(&client, &body).await), Some("MISS"));
    // Raised, it holds for what is kept from now on; lowered, for what is kept already.
    stage.change(&policy, json!({ "config": { "ttlSeconds": 600 } })).await;
    let saving = client.clone().with("cache-control", "no-cache");
    assert_eq!(cache(&ask(&saving, &body).await), Some("MISS"));
    tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
    let old = ask(&client, &body).await;
    assert_eq!((cache(&old), old.header("age")), (Some("HIT"), Some("1")));
    stage.change(&policy, json!({ "config": { "ttlSeconds": 1 } })).await;
    assert_eq!(cache(&ask(&client, &body).await), Some("MISS"));
}

#[tokio::test]
async fn seeds_and_buckets_keep_answers_beside_each_other() {
    let stage = Stage::set().await;
    let with = |name: &str, value: &str| {
        stage.tenant.client().with("alephant-cache-enabled", "true").with(name, value)
    };
    let body = chat("gpt-4o-mini");
    for seed in ["a", "b"] {
        let client = with("alephant-cache-seed", seed);
        assert_eq!(cache(&ask(&client, &body).await), Some("MISS"), "{seed}");
        assert_eq!(cache(&ask(&client, &body).await), Some("HIT"), "{seed}");
    }
    for seed in [1, 2] {
        let mut body = body.clone();
        body["seed"] = json!(seed);
        let client = with("alephant-cache-seed", "a");
        assert_eq!(cache(&ask(&client, &body).await), Some("MISS"), "{seed}");
        assert_eq!(cache(&ask(&client, &body).await), Some("HIT"), "{seed}");
    }
    let bucket = with("alephant-cache-bucket-max-size", "3");
    let mut answers = Vec::new();
    for tokens in ["tokens=1", "tokens=2", "tokens=3"] {
        stage.direct(tokens).await;
        let answer = ask(&bucket, &body).await;
        assert_eq!(cache(&answer), Some("MISS"), "{tokens}: the bucket has room");
        answers.push(answer.text());
    }
    for _ in 0..9 {
        let answer = ask(&bucket, &body).await;
        assert_eq!(cache(&answer), Some("HIT"));
        assert!(answers.contains(&answer.text()));
    }
}
