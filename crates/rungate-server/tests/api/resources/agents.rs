//! `/agents`

use serde_json::{Value, json};

use super::{Client, id, text};
use crate::world::{AGENT, AGENT_TOKEN, World, agent_name};

/// A valid agent with one field replaced.
fn with(provider_key: &str, field: &str, value: Value) -> Value {
    let mut body = json!({"type": "ai_agent", "name": "Bot", "masterKeyId": provider_key});
    body[field] = value;
    body
}

#[tokio::test]
async fn w_103_an_agent_comes_with_a_key_that_is_shown_once() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let provider_key = owner.provider_key().await;
    let body = json!({"type": "ai_agent", "name": "Support Bot!", "description": "d", "about": "a",
        "environment": "staging", "framework": "langgraph", "tags": ["x", "y"], "systemPrompt": "Be kind.",
        "masterKeyId": provider_key, "defaultModel": "gpt-4o", "allowedModels": ["gpt-*"],
        "blockedModels": ["gpt-3*"], "requireRunTracking": true, "bodies": "redacted", "enabled": true,
        "budget": null, "runtimeType": "llm_gateway", "authMode": "none", "policyIds": []});
    let made = owner.post("/agents", body).await.created().clone();
    for (field, value) in [
        ("type", json!("ai_agent")),
        ("name", json!("Support Bot!")),
        ("environment", json!("staging")),
        ("framework", json!("langgraph")),
        ("tags", json!(["x", "y"])),
        ("systemPrompt", json!("Be kind.")),
        ("masterKeyId", json!(provider_key)),
        ("providerKeyId", json!(provider_key)),
        ("defaultModel", json!("gpt-4o")),
        ("allowedModels", json!(["gpt-*"])),
        ("blockedModels", json!(["gpt-3*"])),
        ("requireRunTracking", json!(true)),
        ("bodies", json!("redacted")),
        ("status", json!("active")),
        ("enabled", json!(true)),
        ("source", json!("manual")),
        ("trust", json!("registry_verified")),
        ("linkedEndpointSlug", Value::Null),
        ("lastUsed", Value::Null),
        ("spentCents", json!(0)),
        ("monthlyBudgetUsd", Value::Null),
        ("departmentId", Value::Null),
        ("policyIds", json!([])),
        ("version", json!(1)),
    ] {
        assert_eq!(made.get(field), Some(&value), "{field}");
    }
    let external = text(&made, "externalId");
    assert!(external.starts_with("agt_support_bot_") && external.len() == "agt_support_bot_".len() + 4);
    let key = &made["virtualKey"];
    let token = text(key, "fullToken");
    assert!(token.starts_with(key["keyPrefix"].as_str().unwrap()));
    assert!(Client::new(&world, &token).get("/models").await.status.is_success());
    let key = owner.get(&format!("/virtual-keys/{}", id(key))).await.data().clone();
    assert_eq!((&key["label"], &key["entityId"]), (&json!("agent:Support Bot!"), &made["id"]));
    for path in [
        format!("/agents/{}", id(&made)),
        format!("/agents/{}", id(&made).to_uppercase()),
        format!("/agents/{external}"),
        format!("/agents/{}", external.replace('_', "%5F")),
    ] {
        let read = owner.get(&path).await;
        assert_eq!(read.data()["id"], made["id"], "{path}");
        assert!(!read.body.to_string().contains(&token) && read.data().get("virtualKey").is_none());
    }
    assert!(!owner.get("/agents").await.body.to_string().contains(&token));
}

#[tokio::test]
async fn each_rule_names_its_field() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let key = &*owner.provider_key().await;
    let foreign = Client::theirs(&world).provider_key().await;
    for (body, field, rule) in [
        (json!({"name": "a", "masterKeyId": key}), "type", "required"),
        (json!({"type": "ai_agent", "masterKeyId": key}), "name", "required"),
        (json!({"type": "ai_agent", "name": "a"}), "masterKeyId", "required"),
        (with(key, "masterKeyId", Value::Null), "masterKeyId", "required"),
        (with(key, "masterKeyId", json!(foreign)), "masterKeyId", "unknown"),
        (with(key, "masterKeyId", json!("main")), "masterKeyId", "type"),
        (with(key, "type", json!("robot")), "type", "one_of"),
        (with(key, "name", json!("")), "name", "length"),
        (with(key, "name", json!("x".repeat(101))), "name", "length"),
        (with(key, "description", json!("x".repeat(2_001))), "description", "length"),
        (with(key, "about", json!("x".repeat(10_001))), "about", "length"),
        (with(key, "environment", json!("prod")), "environment", "one_of"),
        (with(key, "framework", json!("")), "framework", "length"),
        (with(key, "tags", json!(vec!["a"; 51])), "tags", "length"),
        (with(key, "tags", json!(["a", ""])), "tags[1]", "length"),
        (with(key, "tags", json!({})), "tags", "type"),
        (with(key, "systemPrompt", json!("x".repeat(524_289))), "systemPrompt", "length"),
        (with(key, "defaultModel", json!("x".repeat(201))), "defaultModel", "length"),
        (with(key, "allowedModels", json!(["a", "[b"])), "allowedModels[1]", "glob"),
        (with(key, "blockedModels", json!([""])), "blockedModels[0]", "glob"),
        (with(key, "requireRunTracking", json!("yes")), "requireRunTracking", "type"),
        (with(key, "bodies", json!("some")), "bodies", "one_of"),
        (with(key, "enabled", json!(1)), "enabled", "type"),
        (with(key, "status", json!("active")), "status", "unknown_field"),
        (with(key, "virtualKey", json!({})), "virtualKey", "unknown_field"),
        (with(key, "externalId", json!("a")), "externalId", "format"),
        (with(key, "externalId", json!("")), "externalId", "format"),
        (with(key, "externalId", json!("_ab")), "externalId", "format"),
        (with(key, "externalId", json!("a/b")), "externalId", "format"),
        (with(key, "externalId", json!("a b")), "externalId", "format"),
        (with(key, "externalId", json!("bücher")), "externalId", "format"),
        (with(key, "externalId", json!("x".repeat(129))), "externalId", "format"),
        (with(key, "externalId", json!(AGENT)), "externalId", "format"),
        (with(key, "externalId", json!("zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz")), "externalId", "format"),
    ] {
        println!("{}", &body.to_string().chars().take(200).collect::<String>());
        owner.post("/agents", body).await.broke(field, rule);
    }
    let path = format!("/agents/{AGENT}");
    for (body, field, rule) in [
        (json!({"name": " "}), "name", "length"),
        (json!({"status": "archived"}), "status", "one_of"),
        (json!({"status": "active", "enabled": false}), "enabled", "conflict"),
        (json!({"externalId": "agt_new"}), "externalId", "unknown_field"),
        (json!({"type": "ai_agent"}), "type", "unknown_field"),
        (json!({"masterKeyId": foreign}), "masterKeyId", "unknown"),
        (json!({"tags": [1]}), "tags[0]", "type"),
    ] {
        println!("{body}");
        owner.patch(&path, body).await.broke(field, rule);
    }
    assert_eq!(owner.get("/agents").await.data()["total"], 1);
    assert_eq!(owner.get(&path).await.data()["version"], 1);
}

#[tokio::test]
async fn what_would_not_be_enforced_is_refused() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let key = &*owner.provider_key().await;
    owner.post("/agents", with(key, "type", json!("workflow_agent"))).await.later("type");
    for (field, value) in [
        ("departmentId", json!(AGENT)),
        ("policyIds", json!([AGENT])),
        ("runtimeType", json!("webhook")),
        ("endpointUrl", json!("https://example.com")),
        ("httpMethod", json!("PUT")),
        ("authMode", json!("bearer")),
        ("authHeaderName", json!("x-key")),
        ("authSecret", json!("s")),
        ("inputFormat", json!("form")),
        ("timeoutMs", json!(1_000)),
        ("retryCount", json!(1)),
        ("idempotent", json!(true)),
        ("requestSchema", json!({"type": "object"})),
        ("responseSchema", json!({"type": "object"})),
    ] {
        owner.post("/agents", with(key, field, value.clone())).await.later(field);
        owner.patch(&format!("/agents/{AGENT}"), json!({ field: value })).await.later(field);
    }
    owner.get(&format!("/agents?departmentId={AGENT}")).await.later("departmentId");
}

#[tokio::test]
async fn external_ids_are_unique_in_a_workspace() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let key = owner.provider_key().await;
    // 32 hexadecimal digits without hyphens are a name like any other.
    let plain = AGENT.to_string().replace('-', "");
    for external in ["agt_one", "AGT_ONE", "a.b:c-d_e", "00", &plain] {
        let body = with(&key, "externalId", json!(external));
        let made = owner.post("/agents", body.clone()).await.created().clone();
        assert_eq!(owner.get(&format!("/agents/{external}")).await.data()["id"], made["id"]);
        let again = owner.post("/agents", body).await;
        assert_eq!(again.refused(40902)["code"], "already_exists");
        assert_eq!(again.body["error"]["field"], "externalId");
    }
    let theirs = Client::theirs(&world);
    let theirs_key = theirs.provider_key().await;
    theirs.post("/agents", with(&theirs_key, "externalId", json!("agt_one"))).await.created();
    owner.delete("/agents/agt_one").await.empty();
    owner.post("/agents", with(&key, "externalId", json!("agt_one"))).await.refused(40902);
    let made: Vec<Value> = {
        let mut made = Vec::new();
        for _ in 0..3 {
            made.push(owner.agent("Same Name").await["externalId"].clone());
        }
        made
    };
    assert!(made[0] != made[1] && made[1] != made[2]);
    // The key of a refused agent is not left behind.
    assert_eq!(owner.get("/virtual-keys?search=agent:Bot").await.data()["total"], 5);
}

#[tokio::test]
async fn a_change_changes_what_it_names_and_null_empties() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let made = owner.agent("Bot").await;
    let path = format!("/agents/{}", text(&made, "externalId"));
    let full = json!({"name": "B", "description": "d", "about": "a", "environment": "production", "framework": "f",
        "tags": ["t"], "systemPrompt": "s", "defaultModel": "m", "allowedModels": ["a*"], "blockedModels": ["b*"],
        "requireRunTracking": true, "bodies": "none", "version": 1});
    let changed = owner.patch(&path, full.clone()).await.data().clone();
    for (field, value) in full.as_object().unwrap().iter().filter(|(field, _)| *field != "version") {
        assert_eq!(&changed[field], value, "{field}");
    }
    assert_eq!((&changed["version"], &changed["masterKeyId"]), (&json!(2), &made["masterKeyId"]));
    let same = owner.patch(&path, json!({"name": null, "tags": null})).await.data().clone();
    assert_eq!((&same["name"], &same["tags"]), (&json!("B"), &json!(["t"])));
    let emptied =
        json!({"framework": null, "systemPrompt": null, "defaultModel": null, "bodies": null, "tags": []});
    let emptied = owner.patch(&path, emptied).await.data().clone();
    for field in ["framework", "systemPrompt", "defaultModel", "bodies"] {
        assert_eq!(emptied[field], Value::Null, "{field}");
    }
    let other = owner.provider_key().await;
    let moved =
        owner.patch(&path, json!({"providerKeyId": other, "status": "inactive"})).await.data().clone();
    assert_eq!((&moved["masterKeyId"], &moved["enabled"]), (&json!(other), &json!(false)));
}

#[tokio::test]
async fn an_agent_that_is_off_or_archived_has_no_working_key() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let path = format!("/agents/{}", agent_name());
    let key = Client::new(&world, AGENT_TOKEN);
    assert!(key.get("/models").await.status.is_success());
    owner.patch(&path, json!({"enabled": false})).await.data();
    key.get("/models").await.refused(40101);
    owner.patch(&path, json!({"enabled": true})).await.data();
    assert!(key.get("/models").await.status.is_success());
    let stale = owner.text("DELETE", &path, &[("if-match", "\"1\"")], "").await;
    stale.refused(40901);
    owner.text("DELETE", &path, &[("if-match", "W/\"3\"")], "").await.empty();
    owner.delete(&path).await.empty();
    key.get("/models").await.refused(40101);
    let archived = owner.get(&path).await.data().clone();
    assert_eq!((&archived["status"], &archived["enabled"]), (&json!("archived"), &json!(false)));
    assert_eq!(archived["version"], 4);
    let keys = owner.get(&format!("/virtual-keys?entityId={AGENT}")).await.data()["data"].clone();
    assert_eq!((&keys[0]["status"], &keys[0]["disabledBy"]), (&json!("disabled"), &json!("agent_archived")));
    for change in [json!({"name": "x"}), json!({"status": "active"})] {
        owner.patch(&path, change).await.refused(40001);
    }
    // Switching its key on again does not bring it back.
    owner.patch(&format!("/virtual-keys/{}", id(&keys[0])), json!({"status": "active"})).await.data();
    key.get("/models").await.refused(40101);
}

#[tokio::test]
async fn w_095_lists_filter_and_search() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let key = owner.provider_key().await;
    let body = json!({"type": "ai_agent", "name": "Écrivain", "masterKeyId": key, "externalId": "agt_w",
        "environment": "staging", "tags": ["poet"], "enabled": false});
    owner.post("/agents", body).await.created();
    owner.delete(&format!("/agents/{AGENT}")).await.empty();
    for (query, count) in [
        ("", 2),
        ("?status=archived", 1),
        ("?status=active", 0),
        ("?status=inactive&status=archived", 2),
        ("?type=ai_agent", 2),
        ("?type=workflow_agent", 0),
        ("?environment=staging", 1),
        ("?environment=staging&status=archived", 0),
        ("?source=manual", 2),
        ("?source=n8n_workflow&source=custom_webhook", 0),
        ("?search=poet", 1),
        ("?search=%C3%A9criv", 1),
        ("?search=AGT_W", 1),
        ("?departmentId=", 2),
        ("?page=1&pageSize=200", 2),
        ("?colour=red", 2),
    ] {
        assert_eq!(owner.get(&format!("/agents{query}")).await.data()["total"], count, "{query}");
    }
    for field in ["status", "type", "environment", "source"] {
        owner.get(&format!("/agents?{field}=nope")).await.broke(field, "one_of");
    }
    for path in ["/agents/_", "/agents/agt_nobody", "/agents/a%2Fb", "/agents/%FF", "/agents/a%20b"] {
        owner.get(path).await.refused(40400);
    }
}
