//! `/provider-keys`

use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, id, text};
use crate::world::World;

const SECRET: &str = "sk-secret-0123456789";

fn valid() -> Value {
    json!({"name": "main", "provider": "openai", "secret": SECRET})
}

/// `valid` with one field replaced.
fn with(field: &str, value: Value) -> Value {
    let mut body = valid();
    body[field] = value;
    body
}

#[tokio::test]
async fn each_verb_does_its_work() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let body = json!({"name": "main", "provider": "openai", "secret": SECRET, "baseUrl": "https://api.openai.com/v1",
        "models": ["gpt-4o*"], "headers": {"OpenAI-Project": "p1"}, "priority": 7, "departmentIds": []});
    let made = owner.post("/provider-keys", body).await.created().clone();
    for (field, value) in [
        ("name", json!("main")),
        ("provider", json!("openai")),
        ("baseUrl", json!("https://api.openai.com/v1")),
        ("status", json!("active")),
        ("models", json!(["gpt-4o*"])),
        ("headers", json!({"OpenAI-Project": "p1"})),
        ("priority", json!(7)),
        ("departmentIds", json!([])),
        ("lastUsedAt", Value::Null),
        ("lastVerifiedAt", Value::Null),
        ("version", json!(1)),
        ("createdAt", json!("2026-11-23T12:00:00.000Z")),
    ] {
        assert_eq!(made.get(field), Some(&value), "{field}");
    }
    let path = format!("/provider-keys/{}", id(&made));
    let old_path = format!("/master-keys/{}", id(&made));
    assert_eq!(owner.get(&path).await.data(), &made);
    assert_eq!(owner.get(&old_path).await.data(), &made);
    assert_eq!(owner.get("/master-keys").await.data()["data"], json!([made]));
    let change = json!({"name": "other", "status": "inactive", "baseUrl": null, "models": [], "headers": {},
        "priority": 0, "version": 1});
    let changed = owner.patch(&path, change).await.data().clone();
    assert_eq!((&changed["name"], &changed["status"]), (&json!("other"), &json!("inactive")));
    assert_eq!((&changed["baseUrl"], &changed["models"]), (&Value::Null, &json!([])));
    assert_eq!((&changed["priority"], &changed["version"]), (&json!(0), &json!(2)));
    assert_eq!(changed["maskedKey"], made["maskedKey"]);
    owner.delete(&path).await.empty();
    owner.get(&path).await.refused(40400);
    owner.delete(&path).await.refused(40400);
}

#[tokio::test]
async fn w_103_a_secret_is_never_read_back() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let made = owner.post("/provider-keys", valid()).await;
    let path = format!("/provider-keys/{}", id(made.created()));
    let next = "sk-other-9876543210";
    let rotated = owner.post(&format!("{path}/rotate"), json!({ "secret": next })).await;
    assert_ne!(rotated.data()["maskedKey"], made.body["data"]["maskedKey"]);
    assert_eq!(rotated.data()["version"], 2);
    let answers = [
        made.body.clone(),
        rotated.body.clone(),
        owner.get(&path).await.body,
        owner.get("/provider-keys").await.body,
        owner.patch(&path, json!({"name": "x"})).await.body,
        owner.patch(&path, json!({"secret": next})).await.body,
        owner.post(&format!("{path}/rotate"), json!({"secret": next, "x": 1})).await.body,
        owner.post("/provider-keys", with("secret", json!("with space sk-secret"))).await.body,
        owner.post("/provider-keys", with("secret", json!([SECRET]))).await.body,
    ];
    for answer in answers {
        let text = answer.to_string();
        assert!(!text.contains("secret-0123") && !text.contains("other-9876"), "{text}");
        assert!(!text.contains("with space"), "{text}");
    }
}

#[tokio::test]
async fn each_rule_names_its_field() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let long = "x".repeat(101);
    for (body, field, rule) in [
        (json!({"provider": "openai", "secret": SECRET}), "name", "required"),
        (json!({"name": "a", "secret": SECRET}), "provider", "required"),
        (json!({"name": "a", "provider": "openai"}), "secret", "required"),
        (json!({"name": "a", "provider": "custom", "secret": SECRET}), "baseUrl", "required"),
        (with("name", json!("")), "name", "length"),
        (with("name", json!(" \t ")), "name", "length"),
        (with("name", json!(long)), "name", "length"),
        (with("name", json!(1)), "name", "type"),
        (with("provider", json!("nobody")), "provider", "one_of"),
        (with("secret", json!("")), "secret", "secret"),
        (with("secret", json!("a b")), "secret", "secret"),
        (with("secret", json!("a\r\nx: y")), "secret", "secret"),
        (with("secret", json!("é")), "secret", "secret"),
        (with("secret", json!("x".repeat(4_097))), "secret", "secret"),
        (with("models", json!("gpt")), "models", "type"),
        (with("models", json!(["ok", ""])), "models[1]", "glob"),
        (with("models", json!(["{a"])), "models[0]", "glob"),
        (with("models", json!(vec!["a"; 501])), "models", "length"),
        (with("headers", json!({"a b": "c"})), "headers.a b", "header"),
        (with("headers", json!({"a": "b\r\nc: d"})), "headers.a", "header"),
        (with("headers", json!({"Authorization": "x"})), "headers.Authorization", "reserved"),
        (with("headers", json!({"X-Goog-Api-Key": "x"})), "headers.X-Goog-Api-Key", "reserved"),
        (with("headers", json!({"Host": "x"})), "headers.Host", "reserved"),
        (with("headers", json!({"a": 1})), "headers.a", "type"),
        (with("priority", json!(-1)), "priority", "type"),
        (with("priority", json!(1.5)), "priority", "type"),
        (with("maskedKey", json!("x")), "maskedKey", "unknown_field"),
        (with("Name", json!("x")), "Name", "unknown_field"),
    ] {
        println!("{body}");
        owner.post("/provider-keys", body).await.broke(field, rule);
    }
    let many: serde_json::Map<String, Value> = (0..33).map(|at| (format!("x-{at}"), json!("v"))).collect();
    owner.post("/provider-keys", with("headers", json!(many))).await.broke("headers", "length");
    owner.post("/provider-keys", with("departmentIds", json!(["x"]))).await.later("departmentIds");
    let path = format!("/provider-keys/{}", owner.provider_key().await);
    for (body, field, rule) in [
        (json!({"name": ""}), "name", "length"),
        (json!({"status": "revoked"}), "status", "one_of"),
        (json!({"provider": "anthropic"}), "provider", "unknown_field"),
        (json!({"secret": "x"}), "secret", "unknown_field"),
        (json!({"headers": {"Cookie": "x"}}), "headers.Cookie", "reserved"),
        (json!({"models": ["["]}), "models[0]", "glob"),
        (json!({"version": "1"}), "version", "type"),
        (json!({"version": -1}), "version", "type"),
    ] {
        println!("{body}");
        owner.patch(&path, body).await.broke(field, rule);
    }
    owner.post(&format!("{path}/rotate"), json!({})).await.broke("secret", "required");
    owner.post(&format!("{path}/rotate"), json!({"secret": ""})).await.broke("secret", "secret");
    assert_eq!(owner.get(&path).await.data()["version"], 1);
    for path in ["/provider-keys/x", "/provider-keys/x/rotate", "/provider-keys/x/verify"] {
        let method = if path.ends_with('x') { "GET" } else { "POST" };
        let answer = owner.text(method, path, &[], r#"{"secret": "x"}"#).await;
        assert_eq!(answer.refused(40013)["code"], "invalid_key_id");
    }
}

#[tokio::test]
async fn an_address_must_be_one_that_may_be_connected_to() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let path = format!("/provider-keys/{}", owner.provider_key().await);
    for url in [
        "",
        "api.openai.com/v1",
        "ftp://example.com",
        "http://example.com",
        "https://user:pass@example.com",
        "https://127.0.0.1",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://example.com/../x",
        "https://example.com/%2e%2E/x",
        "https://example.com/#x",
        "https://exa mple.com",
    ] {
        println!("{url}");
        let made = owner.post("/provider-keys", with("baseUrl", json!(url))).await;
        let error = made.refused(40006);
        assert_eq!((&error["code"], &error["field"]), (&json!("url_not_allowed"), &json!("baseUrl")));
        owner.patch(&path, json!({ "baseUrl": url })).await.refused(40006);
    }
    for url in ["https://example.com", "https://example.com/v1", "https://1.1.1.1:8443/api/"] {
        owner.post("/provider-keys", with("baseUrl", json!(url))).await.created();
    }
    let custom =
        json!({"name": "c", "provider": "custom", "baseUrl": "https://example.com", "secret": SECRET});
    let custom = id(owner.post("/provider-keys", custom).await.created());
    let change = json!({"baseUrl": null});
    owner.patch(&format!("/provider-keys/{custom}"), change).await.broke("baseUrl", "required");
}

#[tokio::test]
async fn w_095_lists_filter_and_search() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let openai = owner.provider_key().await;
    world.pass(Duration::from_millis(1));
    let anthropic = json!({"name": "100% Claude_", "provider": "anthropic", "secret": SECRET});
    let anthropic = id(owner.post("/provider-keys", anthropic).await.created());
    for (query, expected) in [
        ("?provider=openai", vec![&openai]),
        ("?provider=openai&provider=anthropic", vec![&anthropic, &openai]),
        ("?provider=nobody", vec![]),
        ("?search=claude", vec![&anthropic]),
        ("?search=100%25", vec![&anthropic]),
        ("?search=%25", vec![&anthropic]),
        ("?search=_", vec![&anthropic]),
        ("?search=MAIN", vec![&openai]),
        ("?search=sk-secret", vec![]),
        ("?search=%27%20OR%201=1--", vec![]),
        ("?search=&provider=", vec![&anthropic, &openai]),
        ("?colour=red", vec![&anthropic, &openai]),
    ] {
        let list = owner.get(&format!("/provider-keys{query}")).await;
        let expected: Vec<String> = expected.into_iter().cloned().collect();
        assert_eq!(list.ids(), expected, "{query}");
        assert_eq!(list.data()["total"], expected.len(), "{query}");
    }
}

#[tokio::test]
async fn one_in_use_is_deleted_with_cascade_only() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let agent = owner.agent("Support").await;
    let used = text(&agent, "masterKeyId");
    let agent_key = text(&agent["virtualKey"], "id");
    let direct = json!({"label": "direct", "masterKeyId": used});
    let direct = owner.post("/virtual-keys", direct).await.created().clone();
    let other = owner.virtual_key("other").await;
    let revoked = json!({"label": "revoked", "masterKeyId": used});
    let revoked = id(owner.post("/virtual-keys", revoked).await.created());
    owner.post(&format!("/virtual-keys/{revoked}/revoke"), json!({})).await.data();
    let path = format!("/provider-keys/{used}");
    for query in ["", "?cascade=false", "?cascade="] {
        let answer = owner.delete(&format!("{path}{query}")).await;
        let error = answer.refused(40904);
        assert_eq!((&error["code"], &error["type"]), (&json!("in_use"), &json!("CONFLICT")));
        assert_eq!(error["details"]["agents"], json!([agent["id"]]));
        let keys = error["details"]["virtualKeys"].as_array().unwrap();
        assert!(
            keys.len() == 2 && keys.contains(&json!(agent_key)) && keys.contains(&direct["id"]),
            "{keys:?}"
        );
    }
    owner.delete(&format!("{path}?cascade=yes")).await.broke("cascade", "format");
    let stale = owner.text("DELETE", &format!("{path}?cascade=true"), &[("if-match", "9")], "").await;
    stale.refused(40901);
    owner.delete(&format!("{path}?cascade=true")).await.empty();
    owner.get(&path).await.refused(40400);
    for key in [&agent_key, &id(&direct)] {
        let answer = owner.get(&format!("/virtual-keys/{key}")).await;
        let key = answer.data();
        assert_eq!((&key["status"], &key["disabledBy"]), (&json!("disabled"), &json!("master_key_cascade")));
    }
    let spared = owner.get(&format!("/virtual-keys/{}", id(&other))).await;
    assert_eq!((&spared.data()["status"], &spared.data()["disabledBy"]), (&json!("active"), &Value::Null));
    let token = text(&direct, "fullToken");
    Client::new(&world, token).get("/models").await.refused(40101);
}

#[tokio::test]
async fn verify_says_why_a_provider_cannot_be_asked() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    // A name that is reserved for never being one.
    let body =
        json!({"name": "c", "provider": "custom", "baseUrl": "https://name.invalid", "secret": SECRET});
    let key = id(owner.post("/provider-keys", body).await.created());
    let answer = owner.post(&format!("/provider-keys/{key}/verify"), json!({})).await;
    let verified = answer.data();
    assert_eq!((&verified["ok"], &verified["status"]), (&json!(false), &Value::Null));
    assert_eq!(verified["models"], json!([]));
    assert!(verified["reason"].is_string() && !verified.to_string().contains(SECRET));
    let kept = owner.get(&format!("/provider-keys/{key}")).await;
    assert_eq!((&kept.data()["status"], &kept.data()["lastVerifiedAt"]), (&json!("active"), &Value::Null));
}
