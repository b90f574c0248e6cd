//! `/budgets` and `/policies/budget-control`

use serde_json::{Value, json};

use super::{Client, id};
use crate::world::World;

fn valid() -> Value {
    json!({"scope": {"type": "workspace"}, "limitUsd": 12.5})
}

#[tokio::test]
async fn each_verb_of_a_budget_does_its_work() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let made = owner.post("/budgets", valid()).await.created().clone();
    assert_eq!((&made["limitNanoUsd"], &made["window"]), (&json!("12500000000"), &json!("monthly")));
    assert_eq!((&made["action"], &made["enabled"]), (&json!("block_requests"), &json!(true)));
    assert_eq!(made["resetsAt"], "2026-12-01T00:00:00.000Z");
    let path = format!("/budgets/{}", id(&made));
    let read = owner.get(&path).await.data().clone();
    assert_eq!((&read["spentNanoUsd"], &read["remainingNanoUsd"]), (&json!("0"), &json!("12500000000")));
    assert_eq!(read["status"], "ok");
    owner.patch(&path, json!({"limitUsd": 1, "version": 7})).await.refused(40901);
    let changed = owner.patch(&path, json!({"limitNanoUsd": "1", "action": "soft_throttle"})).await;
    assert_eq!((&changed.data()["limitNanoUsd"], &changed.data()["action"]), (&json!("1"), &json!("clamp")));
    // Another on the same scope is allowed.
    owner.post("/budgets", valid()).await.created();
    assert_eq!(owner.get("/budgets?scopeType=workspace").await.data()["total"], 2);
    assert_eq!(owner.get("/budgets?scopeType=run").await.data()["total"], 0);
    Client::theirs(&world).get(&path).await.refused(40400);
    owner.text("DELETE", &path, &[("if-match", "1")], "").await.refused(40901);
    owner.delete(&path).await.empty();
    owner.get(&path).await.refused(40400);
}

#[tokio::test]
async fn agents_are_named_by_either_id_and_must_be_of_this_workspace() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let agent = owner.agent("payer").await;
    let scope = |id: &Value| json!({"scope": {"type": "agent", "id": id}, "limitUsd": "1"});
    let made = owner.post("/budgets", scope(&agent["externalId"])).await.created().clone();
    assert_eq!(made["scope"]["id"], agent["id"]);
    let list = format!("/budgets?scopeType=agent&scopeId={}", super::text(&agent, "externalId"));
    assert_eq!(owner.get(&list).await.data()["total"], 1);
    Client::theirs(&world).post("/budgets", scope(&agent["id"])).await.broke("scope.id", "exists");
}

#[tokio::test]
async fn what_a_budget_may_not_be_names_its_field() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let with = |field: &str, value: Value| {
        let mut body = valid();
        body[field] = value;
        body
    };
    for (body, field, rule) in [
        (json!({"scope": {"type": "workspace"}}), "limitUsd", "required"),
        (with("limitUsd", json!(-1)), "limitUsd", "budget"),
        (with("limitUsd", json!("1000000001")), "limitUsd", "budget"),
        (with("limitUsd", json!("NaN")), "limitUsd", "type"),
        (with("limitUsd", json!([])), "limitUsd", "type"),
        (with("limitNanoUsd", json!("1")), "limitUsd", "conflict"),
        (with("scope", json!({"type": "department", "id": "x"})), "scope.type", "budget"),
        (with("scope", json!({"type": "agent", "id": "nobody-there"})), "scope.id", "exists"),
        (with("scope", json!({"type": "run", "id": "a b"})), "scope.id", "budget"),
        (with("colour", json!(1)), "colour", "unknown_field"),
        (with("timezone", json!("Mars/Olympus")), "timezone", "type"),
        (with("thresholds", json!([0])), "thresholds", "type"),
    ] {
        owner.post("/budgets", body).await.broke(field, rule);
    }
}

#[tokio::test]
async fn w_096_budget_control_is_read_changed_and_written() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let put = async |config: Value| {
        owner.text("PUT", "/policies/budget-control", &[], &json!({ "config": config }).to_string()).await
    };
    let none = owner.get("/policies/budget-control").await;
    assert_eq!(none.body["config"]["amount"], Value::Null);
    let first =
        put(json!({"amount": 5000, "exceededAction": "pause", "period": "monthly", "team": "x"})).await;
    let config = first.body["config"].clone();
    assert_eq!(first.body["data"]["config"], config);
    assert_eq!((&config["amount"], &config["version"]), (&json!(5000), &json!(1)));
    assert_eq!((&config["team"], &config["thresholds"]), (&json!("x"), &json!([50, 75, 90, 100])));
    let mut next = config.clone();
    next["amount"] = json!(6000);
    next["exceededAction"] = json!("alert-only");
    let second = put(next.clone()).await.body["config"].clone();
    assert_eq!((&second["version"], &second["exceededAction"]), (&json!(2), &json!("alert-only")));
    put(next).await.refused(40901);
    put(json!({"amount": 1, "currency": "EUR"})).await.broke("config.currency", "one_of");
    assert_eq!(put(json!({"amount": 7, "version": null})).await.body["config"]["version"], 3);
    put(json!({"amount": null})).await;
    assert_eq!(owner.get("/policies/budget-control").await.body["config"]["version"], Value::Null);
    assert_eq!(owner.get("/budgets").await.data()["total"], 0);
}
