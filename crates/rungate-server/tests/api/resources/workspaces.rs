//! `/workspaces` and `/members`

use rungate_core::agent::Scope;
use serde_json::{Value, json};

use super::Client;
use crate::world::{MEMBER, OURS, THEIRS, World};

#[tokio::test]
async fn a_token_sees_the_workspace_it_is_bound_to() {
    let world = World::new().await;
    let reader = Client::of(&world, OURS, Scope::Read);
    let own = reader.get(&format!("/workspaces/{OURS}")).await.data().clone();
    assert_eq!(reader.get("/workspaces").await.data()["data"], json!([own]));
    assert_eq!(
        (&own["status"], &own["timezone"], &own["version"]),
        (&json!("active"), &json!("UTC"), &json!(1))
    );
    let settings = &own["settings"];
    for (field, value) in [
        ("requireRunId", json!(false)),
        ("selfReportedAgents", json!("allow")),
        ("bodies", json!("full")),
        ("retentionDays", Value::Null),
        ("bodyRetentionDays", Value::Null),
        ("defaultModel", Value::Null),
        ("providerOrder", json!([])),
        ("modelAliases", json!({})),
    ] {
        assert_eq!(settings.get(field), Some(&value), "{field}");
    }
    assert_eq!(settings["runApi"]["strict"], false);
    let stats = reader.get(&format!("/workspaces/{OURS}/stats")).await.data().clone();
    for (field, value) in [
        ("agents", json!(1)),
        ("virtualKeys", json!(2)),
        ("providerKeys", json!(0)),
        ("members", json!(1)),
        ("requests", json!(0)),
        ("errors", json!(0)),
        ("costNanoUsd", json!("0")),
        ("costUsd", json!(0)),
        ("unknownCostRequests", json!(0)),
    ] {
        assert_eq!(stats.get(field), Some(&value), "{field}");
    }
    for path in
        [format!("/workspaces/{THEIRS}"), format!("/workspaces/{THEIRS}/stats"), "/workspaces/x".to_owned()]
    {
        reader.get(&path).await.refused(40400);
    }
}

#[tokio::test]
async fn settings_change_one_by_one() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let path = format!("/workspaces/{OURS}");
    let change = json!({"name": "New", "timezone": "America/Argentina/Buenos_Aires", "status": "active", "version": 1,
        "settings": {"requireRunId": true, "selfReportedAgents": "forbid", "maxSelfReportedAgents": 0,
            "runApi": {"strict": false, "idleMinutes": 43_200}, "bodies": "redacted", "retentionDays": 3_650,
            "bodyRetentionDays": 1, "defaultModel": "fast", "providerOrder": ["anthropic", "openai"],
            "modelAliases": {"fast": "cheap", "cheap": "openai/gpt-4o-mini"}}});
    let changed = owner.patch(&path, change.clone()).await.data().clone();
    assert_eq!((&changed["name"], &changed["version"]), (&json!("New"), &json!(2)));
    assert_eq!(changed["settings"], change["settings"]);
    let one =
        owner.patch(&path, json!({"settings": {"retentionDays": null, "runApi": {}}})).await.data().clone();
    let mut expected = change["settings"].clone();
    expected["retentionDays"] = Value::Null;
    assert_eq!(one["settings"], expected);
    assert_eq!(owner.patch(&path, json!({"settings": null})).await.data()["settings"], expected);
    // What a client read it can send back.
    let back = json!({ "settings": expected });
    assert_eq!(owner.patch(&path, back).await.data()["settings"], expected);
    let emptied = json!({"settings": {"modelAliases": {}, "providerOrder": [], "defaultModel": null}});
    let emptied = owner.patch(&path, emptied).await.data()["settings"].clone();
    assert_eq!((&emptied["modelAliases"], &emptied["defaultModel"]), (&json!({}), &Value::Null));
}

#[tokio::test]
async fn each_rule_names_its_field() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let path = format!("/workspaces/{OURS}");
    let aliases: serde_json::Map<String, Value> = (0..501).map(|at| (format!("a{at}"), json!("m"))).collect();
    for (body, field, rule) in [
        (json!({"name": ""}), "name", "length"),
        (json!({"name": "x".repeat(101)}), "name", "length"),
        (json!({"slug": "new"}), "slug", "unknown_field"),
        (json!({"id": OURS}), "id", "unknown_field"),
        (json!({"timezone": ""}), "timezone", "format"),
        (json!({"timezone": "../../etc/passwd"}), "timezone", "format"),
        (json!({"timezone": "Europe//Berlin"}), "timezone", "format"),
        (json!({"settings": []}), "settings", "type"),
        (json!({"settings": {"colour": 1}}), "settings.colour", "unknown_field"),
        (json!({"settings": {"requireRunId": "yes"}}), "settings.requireRunId", "type"),
        (json!({"settings": {"selfReportedAgents": "deny"}}), "settings.selfReportedAgents", "one_of"),
        (json!({"settings": {"maxSelfReportedAgents": 100_001}}), "settings.maxSelfReportedAgents", "range"),
        (json!({"settings": {"bodies": "all"}}), "settings.bodies", "one_of"),
        (json!({"settings": {"retentionDays": 0}}), "settings.retentionDays", "range"),
        (json!({"settings": {"retentionDays": 3_651}}), "settings.retentionDays", "range"),
        (json!({"settings": {"bodyRetentionDays": 0}}), "settings.bodyRetentionDays", "range"),
        (json!({"settings": {"bodyRetentionDays": -1}}), "settings.bodyRetentionDays", "type"),
        (json!({"settings": {"retentionDays": 1e30}}), "settings.retentionDays", "type"),
        (json!({"settings": {"runApi": {"idleMinutes": 0}}}), "settings.runApi.idleMinutes", "range"),
        (json!({"settings": {"runApi": {"idleMinutes": 43_201}}}), "settings.runApi.idleMinutes", "range"),
        (json!({"settings": {"runApi": {"x": 1}}}), "settings.runApi.x", "unknown_field"),
        (json!({"settings": {"defaultModel": ""}}), "settings.defaultModel", "length"),
        (json!({"settings": {"providerOrder": ["openai", "x"]}}), "settings.providerOrder[1]", "one_of"),
        (json!({"settings": {"modelAliases": {"a": ""}}}), "settings.modelAliases.a", "length"),
        (json!({"settings": {"modelAliases": {"": "m"}}}), "settings.modelAliases.", "length"),
        (json!({"settings": {"modelAliases": {"a": 1}}}), "settings.modelAliases.a", "type"),
        (json!({"settings": {"modelAliases": {"a": "a"}}}), "settings.modelAliases.a", "cycle"),
        (
            json!({"settings": {"modelAliases": {"a": "b", "b": "c", "c": "a"}}}),
            "settings.modelAliases.a",
            "cycle",
        ),
        (
            json!({"settings": {"modelAliases": {"in": "a", "a": "b", "b": "a"}}}),
            "settings.modelAliases.a",
            "cycle",
        ),
        (json!({"settings": {"modelAliases": aliases}}), "settings.modelAliases", "length"),
    ] {
        println!("{}", &body.to_string().chars().take(200).collect::<String>());
        owner.patch(&path, body).await.broke(field, rule);
    }
    owner.patch(&path, json!({"status": "suspended"})).await.later("status");
    assert_eq!(owner.get(&path).await.data()["version"], 1);
    owner.patch(&format!("/workspaces/{THEIRS}"), json!({"name": "x"})).await.refused(40400);
    for (method, path) in [("POST", "/workspaces"), ("DELETE", &*path), ("PUT", &*path)] {
        owner.text(method, path, &[], "{}").await.refused(40500);
    }
}

#[tokio::test]
async fn the_owner_is_the_one_member() {
    let world = World::new().await;
    let list = Client::of(&world, OURS, Scope::Read).get("/members").await;
    assert_eq!((list.data()["total"].clone(), list.ids()), (json!(1), vec![MEMBER.to_string()]));
    let member = &list.data()["data"][0];
    for (field, value) in [
        ("userId", json!(MEMBER)),
        ("name", json!("Owner")),
        ("email", Value::Null),
        ("role", json!("owner")),
        ("status", json!("active")),
        ("departmentId", Value::Null),
        ("monthlyBudgetUsd", Value::Null),
        ("spentCents", json!(0)),
        ("lastActiveAt", Value::Null),
    ] {
        assert_eq!(member.get(field), Some(&value), "{field}");
    }
}
