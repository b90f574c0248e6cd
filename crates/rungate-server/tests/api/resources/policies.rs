//! `/policies`: each verb, what is tried out before it is in force, and what comes of it for an agent.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Client, id, text};
use crate::world::World;

fn access(deny: &str) -> Value {
    json!({"name": format!("no {deny}"), "type": "model_access", "config": {"denyModels": [deny]}})
}

fn sample(model: &str) -> Value {
    json!({"body": {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "mail me: ada@example.com"}]}})
}

#[tokio::test]
async fn each_verb_of_a_policy_does_its_work() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let made = owner.post("/policies", access("gpt-4o")).await.created().clone();
    assert_eq!((&made["activeVersion"], &made["mode"]), (&json!(1), &json!("enforce")));
    let path = format!("/policies/{}", id(&made));
    let draft = json!({"config": {"denyModels": ["gpt-4*"]}, "draft": true});
    let drafted = owner.patch(&path, draft).await;
    assert_eq!(drafted.data()["activeVersion"], 1, "a draft is not in force");
    assert_eq!(owner.get(&format!("{path}/versions")).await.data()["total"], 2);
    let active = owner.post(&format!("{path}/activate"), json!({"version": 2})).await;
    assert_eq!(active.data()["config"], json!({"denyModels": ["gpt-4*"]}));
    owner.post(&format!("{path}/activate"), json!({"version": 9})).await.broke("version", "unknown");
    owner.patch(&path, json!({"enabled": false, "version": 1})).await.refused(40901);
    Client::theirs(&world).get(&path).await.refused(40400);
    Client::theirs(&world)
        .post(&format!("{path}/replay"), json!({"version": 1, "from": "2026-11-01T00:00:00Z"}))
        .await
        .refused(40400);
    owner.delete(&path).await.empty();
    owner.get(&path).await.refused(40400);
}

#[tokio::test]
async fn of_changes_that_rest_on_one_version_one_wins() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let made = owner.post("/policies", access("gpt-4o")).await.created().clone();
    let path = format!("/policies/{}", id(&made));
    let mut changes = JoinSet::new();
    for number in 0..8 {
        let (owner, path) = (owner.clone(), path.clone());
        changes.spawn(async move {
            let config = json!({"config": {"denyModels": [format!("model-{number}*")]}, "version": 1});
            owner.patch(&path, config).await.status.as_u16()
        });
    }
    let mut statuses = changes.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    let versions = owner.get(&format!("{path}/versions")).await.data().clone();
    assert_eq!(versions["total"], 2, "a change that lost leaves no version: {versions}");
}

#[tokio::test]
async fn what_would_be_decided_is_said_and_nothing_is_stored() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let said = owner.post("/policies/evaluate", sample("gpt-4o")).await.data().clone();
    assert_eq!(
        (&said["allowed"], &said["denial"], &said["decisions"]),
        (&json!(true), &Value::Null, &json!([]))
    );

    let made = owner.post("/policies", access("gpt-4o")).await.created().clone();
    let said = owner.post("/policies/evaluate", sample("gpt-4o")).await.data().clone();
    assert_eq!(said["allowed"], false);
    assert_eq!((&said["denial"]["policyId"], &said["denial"]["type"]), (&made["id"], &json!("model_access")));
    assert_eq!(said["decisions"][0]["effect"], "deny");

    // A change of it that is saved nowhere, and a new one beside it.
    let with = |draft: Value| {
        let mut body = sample("gpt-4o");
        body["draft"] = draft;
        body
    };
    let looser = json!({"policyId": made["id"], "config": {"denyModels": ["o1"]}});
    assert_eq!(owner.post("/policies/evaluate", with(looser)).await.data()["allowed"], true);
    let filter = json!({"type": "content_filter", "config": {"detectors": ["email"], "on": "request", "action": "redact"}});
    let masked = owner.post("/policies/evaluate", with(filter)).await.data()["maskedBody"].to_string();
    assert!(!masked.contains("ada@example.com") && masked.contains("mail me"), "{masked}");
    let clamp = json!({"type": "request_limits", "config": {"maxOutputTokens": 10, "onExceed": "clamp"}});
    assert_eq!(owner.post("/policies/evaluate", with(clamp)).await.data()["maxOutputTokens"], 10);
    let run = json!({"type": "run_limits", "config": {"maxRequests": 3}});
    let mut body = with(run);
    body["run"] = json!({"requests": 3});
    assert_eq!(owner.post("/policies/evaluate", body).await.data()["denial"]["type"], json!("run_limits"));
    let night = json!({"type": "schedule", "config": {"timezone": "UTC", "windows": [{"days": ["mon"], "from": "08:00", "to": "18:00"}]}});
    let mut body = sample("o1");
    body["draft"] = night;
    body["at"] = json!("2026-11-23T12:00:00Z");
    assert_eq!(owner.post("/policies/evaluate", body.clone()).await.data()["allowed"], true);
    body["at"] = json!("2026-11-23T19:00:00Z");
    assert_eq!(owner.post("/policies/evaluate", body).await.data()["denial"]["type"], "schedule");
    assert_eq!(owner.get("/policies").await.data()["total"], 1);

    for (body, field, rule) in [
        (json!({"body": []}), "body", "type"),
        (json!({"body": {"model": 7}}), "body", "request"),
        (json!({"path": "/v1/models", "body": {}}), "path", "route"),
        (with(json!({})), "draft.type", "required"),
        (with(json!({"policyId": made["id"]})), "draft.version", "required"),
        (with(json!({"policyId": made["id"], "version": 5})), "draft.version", "unknown"),
        (with(json!({"type": "model_access", "config": {"denyModels": "x"}})), "config.denyModels", "policy"),
        (with(json!({"type": "none"})), "type", "policy"),
    ] {
        println!("{body}");
        owner.post("/policies/evaluate", body).await.broke(field, rule);
    }
    let strange = with(json!({"policyId": made["id"], "version": 1}));
    Client::theirs(&world).post("/policies/evaluate", strange).await.broke("draft.policyId", "unknown");
}

#[tokio::test]
async fn what_policies_come_to_for_an_agent_is_the_strictest_of_all() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let agent = owner.agent("bounded").await;
    let limits = |name: &str, target: Value, most: u64| json!({"name": name, "type": "request_limits", "target": target, "config": {"maxOutputTokens": most}});
    owner.post("/policies", limits("all", json!({"type": "workspace"}), 500)).await.created();
    let own = limits("own", json!({"type": "agent", "id": agent["id"]}), 200);
    owner.post("/policies", own).await.created();
    let path = format!("/agents/{}/effective-policy", text(&agent, "externalId"));
    let effective = owner.get(&path).await.data().clone();
    assert_eq!(effective["merged"]["request_limits"]["maxOutputTokens"], 200);
    let names: Vec<_> = effective["policies"]["request_limits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].clone())
        .collect();
    assert_eq!(names, ["own", "all"], "the narrowest first");
    owner.get(&format!("{path}?virtualKeyId=x")).await.broke("virtualKeyId", "format");
    Client::theirs(&world).get(&path).await.refused(40400);
}
