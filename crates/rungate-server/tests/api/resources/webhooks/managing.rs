//! Webhooks as resources.

use rungate_core::agent::Resource as _;
use rungate_core::ports::CatalogFilter;
use rungate_core::webhook::{Delivery, DueDelivery, Webhook};
use serde_json::{Value, json};

use super::receiver::{Receiver, Reply};
use super::{Client, event, id, text, world};
use crate::world::{OURS, World};

#[tokio::test]
async fn the_secret_is_shown_once() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let body =
        json!({"url": "https://example.com/hook?key=k", "events": ["key.revoked", "budget.threshold"]});
    let made = owner.post("/webhooks", body.clone()).await;
    let webhook = made.created();
    let secret = text(webhook, "secret");
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    assert_eq!(webhook["events"], json!(["budget.threshold", "key.revoked"]));
    assert_eq!((&webhook["enabled"], &webhook["version"]), (&json!(true), &json!(1)));
    let path = format!("/webhooks/{}", id(webhook));
    let key = [("idempotency-key", "k")];
    let rotate = async || owner.text("POST", &format!("{path}/rotate"), &key, "{}").await;
    let rotated = text(rotate().await.data(), "secret");
    assert_ne!(rotated, secret);
    let replayed = rotate().await;
    assert_eq!((&replayed.data()["secret"], &replayed.data()["version"]), (&Value::Null, &json!(2)));
    for read in ["/webhooks", &path] {
        let answer = owner.get(read).await.data().to_string();
        assert!(!answer.contains("whsec_") && !answer.contains(&secret[6..]), "{answer}");
    }
    let documents = world.services.catalog.all(Webhook::KIND).await.unwrap();
    assert!(!documents[0].json.contains("whsec_"));
}

#[tokio::test]
async fn each_rule_names_its_field() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let with = |field: &str, value: Value| {
        let mut body = json!({"url": "https://example.com", "events": ["budget.threshold"]});
        body[field] = value;
        body
    };
    let made = owner.post("/webhooks", with("enabled", json!(false))).await;
    let path = format!("/webhooks/{}", id(made.created()));
    for (field, value, named, rule) in [
        ("events", json!([]), "events", "length"),
        ("events", json!(["budget"]), "events[0]", "one_of"),
        ("events", json!(["key.revoked", "webhook.test"]), "events[1]", "one_of"),
        ("events", json!("key.revoked"), "events", "type"),
        ("url", json!(1), "url", "type"),
        ("url", json!(format!("https://example.com/{}", "x".repeat(2_048))), "url", "length"),
        ("secret", json!("whsec_x"), "secret", "unknown_field"),
        ("enabled", json!("yes"), "enabled", "type"),
    ] {
        println!("{field}: {value}");
        owner.post("/webhooks", with(field, value.clone())).await.broke(named, rule);
        owner.patch(&path, json!({ field: value })).await.broke(named, rule);
    }
    owner.post("/webhooks", json!({"url": "https://example.com"})).await.broke("events", "required");
    owner.post("/webhooks", json!({"events": ["key.revoked"]})).await.broke("url", "required");
    owner.post(&format!("{path}/rotate"), json!({"secret": "x"})).await.broke("secret", "unknown_field");
    assert_eq!(owner.get(&path).await.data()["version"], 1);
}

#[tokio::test]
async fn an_address_must_be_one_that_may_be_connected_to() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let webhook = owner.webhook("https://example.com").await;
    let path = format!("/webhooks/{}", id(&webhook));
    for url in [
        "",
        "example.com/hook",
        "http://example.com",
        "https://user:pass@example.com",
        "https://127.0.0.1/hook",
        "https://169.254.169.254/latest",
        "https://[::ffff:10.0.0.1]/",
        "https://example.com/%2e%2E/x",
        "https://example.com/#x",
    ] {
        println!("{url}");
        let made = owner.post("/webhooks", json!({"url": url, "events": ["key.revoked"]})).await;
        let error = made.refused(40006);
        assert_eq!((&error["code"], &error["field"]), (&json!("url_not_allowed"), &json!("url")));
        owner.patch(&path, json!({ "url": url })).await.refused(40006);
    }
    assert_eq!(owner.get(&path).await.data()["url"], "https://example.com");
}

#[tokio::test]
async fn a_test_says_at_once_what_came_of_it() {
    let world = world(None).await;
    let owner = Client::ours(&world);
    let receiver =
        Receiver::start([Reply::Status(204, String::new()), Reply::Status(404, "who?".to_owned())]).await;
    let webhook = owner.webhook(&receiver.url).await;
    let path = format!("/webhooks/{}", id(&webhook));
    let test = async || owner.post(&format!("{path}/test"), json!({})).await;
    let delivered = test().await;
    assert_eq!(
        (&delivered.data()["status"], &delivered.data()["type"]),
        (&json!("delivered"), &json!("webhook.test"))
    );
    owner.patch(&path, json!({"enabled": false})).await.data();
    let failed = test().await;
    let failed = failed.data();
    assert_eq!((&failed["status"], &failed["attempts"][0]["status"]), (&json!("dead"), &json!(404)));
    assert_eq!(failed["attempts"][0]["answer"], "who?");
    let messages = receiver.messages();
    assert_eq!(messages[0].json()["data"], json!({"webhookId": webhook["id"]}));
    assert_ne!(messages[0].header("webhook-id"), messages[1].header("webhook-id"));

    let listed = async |query: &str| owner.get(&format!("{path}/deliveries{query}")).await.ids().len();
    assert_eq!((listed("").await, listed("?status=dead").await, listed("?status=pending").await), (2, 1, 0));
    assert_eq!((listed("?type=webhook.test").await, listed("?type=key.revoked").await), (2, 0));
    owner.get(&format!("{path}/deliveries?status=gone")).await.broke("status", "one_of");
    owner.get(&format!("{path}/deliveries?type=gone")).await.broke("type", "one_of");
}

#[tokio::test]
async fn a_webhook_goes_with_all_that_was_left_for_it() {
    let world = world(None).await;
    let owner = Client::ours(&world);
    let (gone, kept) =
        (owner.webhook("http://127.0.0.1:9/").await, owner.webhook("http://127.0.0.1:9/").await);
    world.services.outbox.leave(&[event("a"), event("b")]).await.unwrap();
    let stale = owner.text("DELETE", &format!("/webhooks/{}", id(&gone)), &[("if-match", "7")], "").await;
    stale.refused(40901);
    owner.delete(&format!("/webhooks/{}", id(&gone))).await.empty();
    owner.get(&format!("/webhooks/{}", id(&gone))).await.refused(40400);
    owner.get(&format!("/webhooks/{}/deliveries", id(&gone))).await.refused(40400);
    for kind in [Delivery::KIND, DueDelivery::KIND] {
        let filter = CatalogFilter::default();
        assert_eq!(world.services.catalog.count(kind, OURS, &filter).await.unwrap(), 2);
    }
    assert_eq!(owner.deliveries(&kept).await.len(), 2);
}

#[tokio::test]
async fn a_workspace_has_so_many_and_no_more() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    for _ in 0..20 {
        owner.webhook("https://example.com").await;
    }
    let body = json!({"url": "https://example.com", "events": ["key.revoked"]});
    owner.post("/webhooks", body).await.broke("url", "count");
}
