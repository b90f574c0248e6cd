//! `/virtual-keys`

use std::time::Duration;

use rungate_core::agent::Scope;
use serde_json::{Value, json};

use super::{Client, id, text};
use crate::world::{AGENT, AGENT_KEY, MEMBER, MEMBER_KEY, OURS, World, agent_name, pat};

/// `{"label": "k"}` with one more field.
fn with(field: &str, value: Value) -> Value {
    let mut body = json!({"label": "k"});
    body[field] = value;
    body
}

/// Whether the token works, asked where a virtual key may ask.
async fn works(world: &World, token: &str) -> bool {
    let answer = Client::new(world, token).get("/models").await;
    if answer.status.is_success() {
        return true;
    }
    let error = answer.refused(40101);
    assert_eq!((&error["code"], &error["type"]), (&json!("authentication_failed"), &json!("UNAUTHORIZED")));
    assert_eq!(answer.body["message"], "Authentication failed");
    false
}

#[tokio::test]
async fn w_097_a_key_needs_a_label_only_and_shows_its_token_once() {
    let world = World::new().await;
    let owner = Client::of(&world, OURS, Scope::Write);
    let provider_key = Client::ours(&world).provider_key().await;
    let body = json!({"label": "n8n", "masterKeyId": provider_key, "budget": null, "rateLimitRpm": null});
    let made = owner.post("/virtual-keys", body).await.created().clone();
    let token = text(&made, "fullToken");
    let prefix = text(&made, "keyPrefix");
    assert!(token.starts_with(&prefix) && prefix.starts_with("vk-n8n-") && prefix.len() <= 16, "{prefix}");
    for (field, value) in [
        ("label", json!("n8n")),
        ("status", json!("active")),
        ("entityType", json!("member")),
        ("entityId", json!(MEMBER)),
        ("masterKeyId", json!(provider_key)),
        ("providerKeyId", json!(provider_key)),
        ("budget", Value::Null),
        ("budgetCents", Value::Null),
        ("budgetNanoUsd", Value::Null),
        ("budgetAction", Value::Null),
        ("budgetWindow", Value::Null),
        ("spentCents", json!(0)),
        ("spentNanoUsd", json!("0")),
        ("rateLimitRpm", Value::Null),
        ("rateLimitRph", Value::Null),
        ("defaultModel", Value::Null),
        ("allowedModels", json!([])),
        ("blockedModels", json!([])),
        ("allowedWorkflows", json!([])),
        ("expiresAt", Value::Null),
        ("expiryPreset", json!("never")),
        ("previousTokenExpiresAt", Value::Null),
        ("disabledBy", Value::Null),
        ("lastUsedAt", Value::Null),
        ("createdAt", json!("2026-11-23T12:00:00.000Z")),
        ("updatedAt", json!("2026-11-23T12:00:00.000Z")),
        ("version", json!(1)),
    ] {
        assert_eq!(made.get(field), Some(&value), "{field}");
    }
    let path = format!("/virtual-keys/{}", id(&made));
    for answer in [
        owner.get(&path).await,
        owner.get("/virtual-keys").await,
        owner.get("/virtual-keys?search=n8n").await,
        owner.patch(&path, json!({"label": "x"})).await,
        owner.post(&format!("{path}/revoke"), json!({})).await,
    ] {
        let body = answer.data().to_string();
        assert!(
            !body.contains(&token) && !body.contains("fullToken") && !body.contains("oken_hash"),
            "{body}"
        );
    }
    owner.post(&format!("{path}/reveal"), json!({})).await.refused(40400);
}

#[tokio::test]
async fn w_097_what_would_not_be_enforced_is_refused() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let path = format!("/virtual-keys/{}", id(&owner.virtual_key("k").await));
    for (field, value) in
        [("budgetCents", json!(1)), ("budgetNanoUsd", json!("1")), ("allowedWorkflows", json!(["*"]))]
    {
        owner.post("/virtual-keys", with(field, value.clone())).await.later(field);
        owner.patch(&path, json!({ field: value })).await.later(field);
        owner.patch(&path, json!({ field: null })).await.data();
    }
    owner.post("/virtual-keys", with("allowedWorkflows", json!([]))).await.created();
    assert_eq!(owner.get("/virtual-keys").await.data()["total"], 4);
}

#[tokio::test]
async fn each_rule_names_its_field() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let foreign = Client::theirs(&world).provider_key().await;
    let nobody = "018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001";
    for (body, field, rule) in [
        (json!({}), "label", "required"),
        (json!({"label": ""}), "label", "length"),
        (json!({"label": " "}), "label", "length"),
        (json!({"label": "é".repeat(101)}), "label", "length"),
        (json!({"label": null}), "label", "type"),
        (json!({"label": ["a"]}), "label", "type"),
        (with("masterKeyId", json!("x")), "masterKeyId", "type"),
        (with("masterKeyId", json!(foreign)), "masterKeyId", "unknown"),
        (with("providerKeyId", json!(nobody)), "masterKeyId", "unknown"),
        (with("defaultModel", json!("")), "defaultModel", "length"),
        (with("allowedModels", json!(["["])), "allowedModels[0]", "glob"),
        (with("blockedModels", json!([1])), "blockedModels[0]", "type"),
        (with("expiryPreset", json!("1d")), "expiryPreset", "one_of"),
        (with("expiryPreset", json!("custom")), "expiresAt", "required"),
        (with("expiresAt", json!("2026-11-23T12:00:00Z")), "expiresAt", "range"),
        (with("expiresAt", json!("tomorrow")), "expiresAt", "type"),
        (with("expiresAt", json!(1_800_000_000)), "expiresAt", "type"),
        (with("entityType", json!("agent")), "entityId", "required"),
        (with("entityId", json!(AGENT)), "entityType", "required"),
        (with("entityType", json!("department")), "entityType", "one_of"),
        (json!({"label": "k", "entityType": "agent", "entityId": "_"}), "entityId", "format"),
        (json!({"label": "k", "entityType": "member", "entityId": "me"}), "entityId", "format"),
        (
            json!({"label": "k", "expiryPreset": "7d", "expiresAt": "2027-01-01T00:00:00Z"}),
            "expiresAt",
            "conflict",
        ),
        (json!({"label": "k", "masterKeyId": null, "providerKeyId": null}), "masterKeyId", "duplicate"),
        (with("fullToken", json!("vk-mine")), "fullToken", "unknown_field"),
    ] {
        println!("{body}");
        owner.post("/virtual-keys", body).await.broke(field, rule);
    }
    for (entity_type, entity) in [("agent", nobody), ("agent", "agt_nobody"), ("member", nobody)] {
        let body = json!({"label": "k", "entityType": entity_type, "entityId": entity});
        owner.post("/virtual-keys", body).await.refused(40400);
    }
    let path = format!("/virtual-keys/{AGENT_KEY}");
    for (body, field, rule) in [
        (json!({"label": ""}), "label", "length"),
        (json!({"status": "revoked"}), "status", "one_of"),
        (json!({"status": "expired"}), "status", "one_of"),
        (json!({"masterKeyId": foreign}), "masterKeyId", "unknown"),
        (json!({"expiresAt": "2020-01-01T00:00:00Z"}), "expiresAt", "range"),
        (json!({"expiryPreset": "custom"}), "expiresAt", "required"),
        (json!({"entityId": MEMBER}), "entityId", "unknown_field"),
        (json!({"version": 1.5}), "version", "type"),
    ] {
        println!("{body}");
        owner.patch(&path, body).await.broke(field, rule);
    }
    for body in [json!({"graceSeconds": 604_801}), json!({"graceSeconds": u64::MAX})] {
        owner.post(&format!("{path}/rotate"), body).await.broke("graceSeconds", "range");
    }
    for body in [json!({"graceSeconds": -1}), json!({"graceSeconds": "1"}), json!({"graceSeconds": 0.5})] {
        owner.post(&format!("{path}/rotate"), body).await.broke("graceSeconds", "type");
    }
    for method in ["GET", "PATCH", "DELETE"] {
        owner.text(method, "/virtual-keys/not-a-uuid", &[], "{}").await.refused(40013);
    }
    assert_eq!(owner.get(&path).await.data()["version"], 1);
}

#[tokio::test]
async fn a_key_is_bound_to_an_agent_by_either_id_or_to_a_member() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let agent_id = agent_name();
    for (entity_type, named, expected) in [
        ("agent", AGENT.to_string(), AGENT.to_string()),
        ("agent", AGENT.to_string().to_uppercase(), AGENT.to_string()),
        ("agent", agent_id.to_string(), AGENT.to_string()),
        ("member", MEMBER.to_string(), MEMBER.to_string()),
        ("user", MEMBER.to_string(), MEMBER.to_string()),
    ] {
        let body = json!({"label": "k", "entityType": entity_type, "entityId": named});
        let made = owner.post("/virtual-keys", body).await;
        assert_eq!(made.created()["entityId"], expected);
    }
    for (query, count) in [
        ("?entityType=agent", 4),
        ("?entityType=member", 3),
        ("?entityType=agent&entityType=member", 7),
        (&*format!("?entityId={agent_id}"), 4),
        (&*format!("?entityId={AGENT}"), 4),
        (&*format!("?entityId={AGENT}&entityType=member"), 0),
        (&*format!("?entityId={AGENT}&entityId={MEMBER}"), 7),
    ] {
        assert_eq!(owner.get(&format!("/virtual-keys{query}")).await.data()["total"], count, "{query}");
    }
    owner.get("/virtual-keys?entityId=_").await.broke("entityId", "format");
    owner.get("/virtual-keys?entityType=team").await.broke("entityType", "one_of");
    owner.get("/virtual-keys?status=gone").await.broke("status", "one_of");
    owner.delete(&format!("/agents/{agent_id}")).await.empty();
    let body = json!({"label": "k", "entityType": "agent", "entityId": agent_id});
    owner.post("/virtual-keys", body).await.broke("entityId", "state");
}

#[tokio::test]
async fn a_change_changes_what_it_names_and_null_empties() {
    let world = World::new().await;
    let owner = Client::of(&world, OURS, Scope::Write);
    let provider_key = Client::ours(&world).provider_key().await;
    let body = json!({"label": "k", "providerKeyId": provider_key, "defaultModel": "gpt-4o",
        "allowedModels": ["gpt-*"], "blockedModels": ["gpt-3*"], "expiryPreset": "7d"});
    let made = owner.post("/virtual-keys", body).await.created().clone();
    assert_eq!(made["expiresAt"], "2026-11-30T12:00:00.000Z");
    let path = format!("/virtual-keys/{}", id(&made));
    let same = owner.patch(&path, json!({})).await.data().clone();
    for field in ["masterKeyId", "defaultModel", "allowedModels", "blockedModels", "expiresAt", "label"] {
        assert_eq!(same[field], made[field], "{field}");
    }
    let emptied = json!({"masterKeyId": null, "defaultModel": null, "allowedModels": [], "blockedModels": [],
        "expiresAt": null, "version": 2});
    let emptied = owner.patch(&path, emptied).await.data().clone();
    for field in ["masterKeyId", "defaultModel", "expiresAt"] {
        assert_eq!(emptied[field], Value::Null, "{field}");
    }
    assert_eq!((&emptied["allowedModels"], &emptied["expiryPreset"]), (&json!([]), &json!("never")));
    let custom = owner.patch(&path, json!({"expiresAt": "2026-11-23T12:00:01Z"})).await.data().clone();
    assert_eq!((&custom["expiryPreset"], &custom["version"]), (&json!("custom"), &json!(4)));
}

#[tokio::test]
async fn w_002_whatever_is_wrong_with_a_key_is_one_and_the_same_401() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let make = async |body: Value| {
        let made = owner.post("/virtual-keys", body).await.created().clone();
        (format!("/virtual-keys/{}", id(&made)), text(&made, "fullToken"))
    };
    let (disabled, disabled_token) = make(json!({"label": "a"})).await;
    let (deleted, deleted_token) = make(json!({"label": "b"})).await;
    let (_, expiring_token) = make(with("expiresAt", json!("2026-11-23T13:00:00Z"))).await;
    for token in [&disabled_token, &deleted_token, &expiring_token] {
        assert!(works(&world, token).await);
    }
    owner.patch(&disabled, json!({"status": "disabled"})).await.data();
    assert!(!works(&world, &disabled_token).await);
    owner.patch(&disabled, json!({"status": "active"})).await.data();
    assert!(works(&world, &disabled_token).await);
    owner.delete(&deleted).await.empty();
    owner.delete(&deleted).await.empty();
    assert!(!works(&world, &deleted_token).await);
    assert_eq!(owner.get(&deleted).await.data()["status"], "revoked");
    world.pass(Duration::from_hours(1));
    assert!(!works(&world, &expiring_token).await);
    assert!(!works(&world, "vk-agent-unknown").await);
}

#[tokio::test]
async fn an_expired_key_is_listed_as_expired_and_not_as_active() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let body = with("expiresAt", json!("2026-11-23T13:00:00Z"));
    let expiring = id(owner.post("/virtual-keys", body).await.created());
    let listed = async |status: &str| owner.get(&format!("/virtual-keys?status={status}")).await.ids();
    assert!(listed("active").await.contains(&expiring) && listed("expired").await.is_empty());
    world.pass(Duration::from_hours(1));
    let answer = owner.get(&format!("/virtual-keys/{expiring}")).await;
    assert_eq!(answer.data()["status"], "expired");
    assert_eq!(listed("expired").await, std::slice::from_ref(&expiring));
    assert_eq!(listed("active").await.len(), 2);
    assert_eq!(owner.get("/virtual-keys?status=active").await.data()["total"], 2);
    assert_eq!(listed("active&status=expired").await.len(), 3);
    let path = format!("/virtual-keys/{expiring}");
    owner.patch(&path, json!({"status": "disabled"})).await.data();
    assert_eq!((listed("expired").await.len(), listed("disabled").await), (0, vec![expiring]));
    let extended = json!({"status": "active", "expiryPreset": "30d"});
    assert_eq!(owner.patch(&path, extended).await.data()["status"], "active");
}

#[tokio::test]
async fn w_098_w_099_revoking_takes_an_empty_body_works_twice_and_is_in_force_at_once() {
    let world = World::new().await;
    let owner = Client::of(&world, OURS, Scope::Write);
    let made = owner.virtual_key("k").await;
    let (path, token) = (format!("/virtual-keys/{}", id(&made)), text(&made, "fullToken"));
    assert!(works(&world, &token).await);
    let first = owner.text("POST", &format!("{path}/revoke"), &[], "").await;
    assert_eq!((&first.data()["status"], &first.data()["id"]), (&json!("revoked"), &made["id"]));
    assert!(!works(&world, &token).await);
    world.pass(Duration::from_secs(1));
    let again = owner.text("POST", &format!("{path}/revoke"), &[], "").await;
    assert_eq!(again.data(), first.data());
    for change in [json!({"status": "active"}), json!({"status": "disabled"})] {
        owner.patch(&path, change).await.refused(40001);
    }
    owner.post(&format!("{path}/rotate"), json!({})).await.refused(40001);
    assert!(!works(&world, &token).await);
}

#[tokio::test]
async fn w_099_a_rotated_token_ends_with_its_grace() {
    let world = World::new().await;
    let owner = Client::of(&world, OURS, Scope::Write);
    let made = owner.virtual_key("k").await;
    let path = format!("/virtual-keys/{}", id(&made));
    let rotate = async |grace: u64| {
        let body = json!({ "graceSeconds": grace });
        let rotated = owner.post(&format!("{path}/rotate"), body).await.data().clone();
        assert_eq!((&rotated["id"], &rotated["label"]), (&made["id"], &made["label"]));
        rotated
    };
    let first = text(&made, "fullToken");
    let rotated = rotate(60).await;
    let second = text(&rotated, "fullToken");
    assert_eq!(rotated["previousTokenExpiresAt"], "2026-11-23T12:01:00.000Z");
    assert!(first != second && works(&world, &first).await && works(&world, &second).await);
    world.pass(Duration::from_secs(59));
    assert!(works(&world, &first).await);
    world.pass(Duration::from_secs(1));
    assert!(!works(&world, &first).await && works(&world, &second).await);
    assert_eq!(owner.get(&path).await.data()["previousTokenExpiresAt"], Value::Null);
    let third = text(&rotate(604_800).await, "fullToken");
    assert!(works(&world, &second).await);
    // Without grace an earlier grace ends too; without a body there is none.
    let last = owner.text("POST", &format!("{path}/rotate"), &[], "").await;
    assert_eq!(last.data()["previousTokenExpiresAt"], Value::Null);
    let last = text(last.data(), "fullToken");
    assert!(!works(&world, &second).await && !works(&world, &third).await && works(&world, &last).await);
    rotate(60).await;
    owner.post(&format!("{path}/revoke"), json!({})).await.data();
    assert!(!works(&world, &last).await);
}

#[tokio::test]
async fn a_virtual_key_manages_nothing() {
    let world = World::new().await;
    let key = Client::new(&world, text(&Client::ours(&world).virtual_key("k").await, "fullToken"));
    for (method, path) in [
        ("GET", "/virtual-keys".to_owned()),
        ("POST", "/virtual-keys".to_owned()),
        ("GET", format!("/virtual-keys/{MEMBER_KEY}")),
        ("POST", format!("/virtual-keys/{MEMBER_KEY}/revoke")),
        ("POST", "/pats".to_owned()),
        ("GET", "/members".to_owned()),
        ("GET", "/workspaces".to_owned()),
    ] {
        key.text(method, &path, &[], "").await.refused(40304);
    }
    let both = [("x-api-key", &*pat(OURS))];
    key.text("GET", "/models", &both, "").await.refused(40101);
}
