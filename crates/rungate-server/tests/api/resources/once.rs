//! `Idempotency-Key`

use std::time::Duration;

use http::StatusCode;
use rungate_core::agent::Scope;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Client, id, text};
use crate::world::{Answer, OURS, World};

async fn post(client: &Client, key: &str, path: &str, body: &Value) -> Answer {
    client.text("POST", path, &[("idempotency-key", key)], &body.to_string()).await
}

fn replayed(answer: &Answer) -> bool {
    answer.headers.get("rungate-replayed").is_some_and(|value| value == "true")
}

/// A body for each way of making something.
async fn makes(owner: &Client) -> [(&'static str, Value); 5] {
    let provider_key = owner.provider_key().await;
    [
        ("/provider-keys", json!({"name": "a", "provider": "openai", "secret": "sk-0123456789"})),
        ("/agents", json!({"type": "ai_agent", "name": "a", "masterKeyId": provider_key})),
        ("/virtual-keys", json!({"label": "a"})),
        ("/pats", json!({"name": "a", "scopes": ["read"]})),
        ("/model-prices", json!({"provider": "openai", "model": "m", "prices": {"inputPerMTok": "1"}})),
    ]
}

async fn total(owner: &Client, list: &str) -> u64 {
    let answer = owner.get(list).await;
    let total = if list == "/pats" { &answer.body["pagination"]["total"] } else { &answer.data()["total"] };
    total.as_u64().unwrap()
}

/// The answer with the secrets taken out.
fn without_secrets(body: &Value) -> Value {
    let mut body = body.clone();
    for place in ["/token", "/data/token", "/data/fullToken", "/data/virtualKey/fullToken"] {
        if let Some(secret) = body.pointer_mut(place) {
            assert!(secret.is_string(), "{place}");
            *secret = Value::Null;
        }
    }
    body
}

#[tokio::test]
async fn w_010_the_same_request_is_replayed_without_its_secret_and_another_is_409() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    for (path, body) in makes(&owner).await {
        println!("{path}");
        let before = total(&owner, path).await;
        let first = post(&owner, path, path, &body).await;
        first.created();
        assert!(!replayed(&first));
        let again = post(&owner, path, path, &body).await;
        assert!(replayed(&again));
        assert_eq!((again.status, &again.body), (StatusCode::CREATED, &without_secrets(&first.body)));
        let mut other = body.clone();
        other["name"] = json!("b");
        for (other_path, other_body) in [(path.to_owned(), &other), (format!("{path}?x=1"), &body)] {
            let conflict = post(&owner, path, &other_path, other_body).await;
            let error = conflict.refused(40903);
            assert_eq!(
                (&error["code"], &error["field"]),
                (&json!("idempotency_conflict"), &json!("Idempotency-Key"))
            );
        }
        assert_eq!(total(&owner, path).await, before + 1);
    }
}

#[tokio::test]
async fn w_010_of_eight_requests_at_once_one_is_carried_out() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    for (path, body) in makes(&owner).await {
        let before = total(&owner, path).await;
        let mut racing = JoinSet::new();
        for _ in 0..8 {
            let (owner, body) = (owner.clone(), body.clone());
            racing.spawn(async move { post(&owner, &format!("race{path}"), path, &body).await });
        }
        let answers = racing.join_all().await;
        assert_eq!(answers.iter().filter(|answer| !replayed(answer)).count(), 1, "{path}");
        for answer in &answers {
            assert_eq!(id(answer.created()), id(answers[0].created()), "{path}");
        }
        assert_eq!(total(&owner, path).await, before + 1, "{path}");
    }
}

#[tokio::test]
async fn w_010_of_eight_rotations_at_once_one_is_carried_out() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let virtual_key = id(&owner.virtual_key("k").await);
    let provider_key = owner.provider_key().await;
    for (path, body) in [
        (format!("/virtual-keys/{virtual_key}"), json!({})),
        (format!("/provider-keys/{provider_key}"), json!({"secret": "sk-new-0123456789"})),
    ] {
        let mut racing = JoinSet::new();
        for _ in 0..8 {
            let (owner, path, body) = (owner.clone(), path.clone(), body.clone());
            racing.spawn(async move { post(&owner, &path, &format!("{path}/rotate"), &body).await });
        }
        let answers = racing.join_all().await;
        let carried_out: Vec<&Answer> = answers.iter().filter(|answer| !replayed(answer)).collect();
        assert_eq!(carried_out.len(), 1, "{path}");
        assert!(answers.iter().all(|answer| answer.data()["version"] == 2));
        assert_eq!(owner.get(&path).await.data()["version"], 2);
        if path.starts_with("/virtual-keys") {
            let token = text(carried_out[0].data(), "fullToken");
            assert!(Client::new(&world, token).get("/models").await.status.is_success());
        }
    }
}

#[tokio::test]
async fn keys_belong_to_their_token_and_last_a_day() {
    let world = World::new().await;
    let (owner, writer) = (Client::ours(&world), Client::of(&world, OURS, Scope::Write));
    let body = json!({"label": "k"});
    let first = id(post(&owner, "k", "/virtual-keys", &body).await.created());
    let others = id(post(&writer, "k", "/virtual-keys", &body).await.created());
    assert_ne!(first, others);
    world.pass(Duration::from_secs(86_399));
    assert_eq!(id(post(&owner, "k", "/virtual-keys", &body).await.created()), first);
    world.pass(Duration::from_secs(1));
    let next = post(&owner, "k", "/virtual-keys", &body).await;
    assert!(!replayed(&next) && id(next.created()) != first);
    let spelled =
        owner.text("POST", "/virtual-keys", &[("idempotency-key", "k")], r#"{ "label": "k" }"#).await;
    spelled.refused(40903);
    let reader = Client::of(&world, OURS, Scope::Read);
    post(&reader, "k", "/virtual-keys", &body).await.refused(40301);
}

#[tokio::test]
async fn keys_are_1_to_255_visible_characters() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let body = json!({"label": "k"});
    for bad in ["", "a b", "a\tb", &"x".repeat(256)] {
        let answer = post(&owner, bad, "/virtual-keys", &body).await;
        let error = answer.refused(40005);
        assert_eq!((&error["code"], &error["field"]), (&json!("invalid_header"), &json!("Idempotency-Key")));
    }
    let longest = "~".repeat(255);
    let first = id(post(&owner, &longest, "/virtual-keys", &body).await.created());
    assert_eq!(id(post(&owner, &longest, "/virtual-keys", &body).await.created()), first);
    // What was refused can be sent again, mended.
    post(&owner, "mend", "/virtual-keys", &json!({})).await.broke("label", "required");
    post(&owner, "mend", "/virtual-keys", &body).await.created();
}
