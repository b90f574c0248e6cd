//! `/pats`

use std::time::Duration;

use rungate_core::agent::{Head, Pat, Scope};
use rungate_core::ports::Write;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Client, id, text};
use crate::world::{MEMBER, OURS, World, noon};

#[tokio::test]
async fn a_token_stands_at_the_top_and_under_data_once() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let body = json!({"name": "ci", "scopes": ["read", "write"], "expires_at": "2026-11-24T12:00:00Z"});
    let answer = owner.post("/pats", body).await;
    let made = answer.created().clone();
    for (field, value) in [
        ("name", json!("ci")),
        ("scopes", json!(["read", "write"])),
        ("workspace_id", json!(OURS)),
        ("workspace_name", json!("Acme")),
        ("is_owner_token", json!(false)),
        ("last_used_at", Value::Null),
        ("expires_at", json!("2026-11-24T12:00:00.000Z")),
        ("created_at", json!("2026-11-23T12:00:00.000Z")),
        ("updated_at", json!("2026-11-23T12:00:00.000Z")),
        ("version", json!(1)),
    ] {
        assert_eq!((made.get(field), answer.body.get(field)), (Some(&value), Some(&value)), "{field}");
    }
    let token = text(&made, "token");
    assert_eq!(answer.body["token"], json!(token));
    assert!(token.len() == "pat_ws".len() + 6 + 1 + 64 && token.starts_with("pat_ws00000a_"), "{token}");
    assert!(token.starts_with(&text(&made, "token_prefix")));
    let maker = Client::new(&world, &token);
    assert!(maker.get("/agents").await.status.is_success());
    maker.virtual_key("by ci").await;
    let renamed =
        owner.patch(&format!("/pats/{}", id(&made)), json!({"name": "x", "expires_at": null})).await;
    assert_eq!((&renamed.body["name"], &renamed.data()["name"]), (&json!("x"), &json!("x")));
    assert_eq!((&renamed.data()["expires_at"], &renamed.data()["version"]), (&Value::Null, &json!(2)));
    let list = owner.get("/pats").await;
    for body in [&list.body, &renamed.body] {
        assert!(!body.to_string().contains(&token) && !body.to_string().contains("oken_hash"));
    }
    assert_eq!(list.body["pagination"], json!({"total": 4, "limit": 50, "offset": 0}));
    assert_eq!(list.body["data"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn w_002_a_401_says_revoked_or_expired() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let revoked = owner.pat("revoked").await;
    let body = json!({"name": "short", "scopes": ["admin"], "expires_at": "2026-11-23T12:00:01Z"});
    let expiring = owner.post("/pats", body).await.created().clone();
    let (revoked_token, expiring_token) = (text(&revoked, "token"), text(&expiring, "token"));
    let refused = async |token: &str, number: u32, kind: &str, message: &str| {
        let answer = Client::new(&world, token).get("/agents").await;
        assert_eq!(answer.refused(number)["type"], kind);
        assert_eq!(answer.body["message"], message);
    };
    assert!(Client::new(&world, &revoked_token).get("/agents").await.status.is_success());
    assert!(Client::new(&world, &expiring_token).get("/agents").await.status.is_success());
    owner.delete(&format!("/pats/{}", id(&revoked))).await.empty();
    owner.delete(&format!("/pats/{}", id(&revoked))).await.empty();
    refused(&revoked_token, 40102, "UNAUTHORIZED", "Token has been revoked").await;
    world.pass(Duration::from_secs(1));
    refused(&expiring_token, 40103, "AUTH_TOKEN_EXPIRED", "Token has expired").await;
    owner.patch(&format!("/pats/{}", id(&expiring)), json!({"expires_at": null})).await.data();
    assert!(Client::new(&world, &expiring_token).get("/agents").await.status.is_success());
    // Revoked is for good, whatever is changed of it, and says so even once it has expired too.
    let later = json!({"expires_at": "2026-11-23T12:00:02Z"});
    owner.patch(&format!("/pats/{}", id(&revoked)), later).await.refused(40400);
    refused(&revoked_token, 40102, "UNAUTHORIZED", "Token has been revoked").await;
    let unknown = format!("pat_ws00000a_{}", "f".repeat(64));
    for token in [&*unknown, "pat_ws00000a_", "sk-123", "", "x y"] {
        refused(token, 40101, "UNAUTHORIZED", "Authentication failed").await;
    }
    assert_eq!(owner.get("/pats?limit=1").await.body["pagination"]["total"], 4);
}

#[tokio::test]
async fn each_rule_names_its_field() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    for (body, field, rule) in [
        (json!({"scopes": ["read"]}), "name", "required"),
        (json!({"name": "a"}), "scopes", "required"),
        (json!({"name": "", "scopes": ["read"]}), "name", "length"),
        (json!({"name": "a".repeat(101), "scopes": ["read"]}), "name", "length"),
        (json!({"name": "a", "scopes": []}), "scopes", "length"),
        (json!({"name": "a", "scopes": "read"}), "scopes", "type"),
        (json!({"name": "a", "scopes": ["root"]}), "scopes[0]", "one_of"),
        (
            json!({"name": "a", "scopes": ["read"], "expires_at": "2026-11-23T12:00:00Z"}),
            "expires_at",
            "range",
        ),
        (json!({"name": "a", "scopes": ["read"], "expires_at": "soon"}), "expires_at", "type"),
        (json!({"name": "a", "scopes": ["read"], "expiresAt": null}), "expiresAt", "unknown_field"),
        (json!({"name": "a", "scopes": ["read"], "token": "pat_ws"}), "token", "unknown_field"),
    ] {
        println!("{body}");
        owner.post("/pats", body).await.broke(field, rule);
    }
    let path = format!("/pats/{}", id(&owner.pat("a").await));
    for (body, field, rule) in [
        (json!({"name": ""}), "name", "length"),
        (json!({"scopes": ["admin"]}), "scopes", "unknown_field"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "expires_at", "range"),
        (json!({"version": "1"}), "version", "type"),
    ] {
        println!("{body}");
        owner.patch(&path, body).await.broke(field, rule);
    }
    for (query, field) in
        [("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"), ("offset=-1", "offset")]
    {
        let answer = owner.get(&format!("/pats?{query}")).await;
        assert_eq!(answer.refused(40001)["field"], field, "{query}");
    }
    for (method, path) in [("DELETE", "/pats/x"), ("PATCH", "/pats/x")] {
        owner.text(method, path, &[], "{}").await.refused(40400);
    }
    owner.get(&path).await.refused(40500);
}

#[tokio::test]
async fn a_list_is_counted_by_limit_and_offset_newest_first() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let mut made = Vec::new();
    for at in 0..5 {
        world.pass(Duration::from_millis(1));
        made.push(id(&owner.pat(&format!("t{at}")).await));
    }
    made.reverse();
    let ids = async |query: &str| {
        let list = owner.get(&format!("/pats?{query}")).await;
        assert_eq!(list.body["pagination"]["total"], 8);
        list.body["data"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids("limit=2").await, made[..2]);
    assert_eq!(ids("limit=3&offset=2").await, made[2..5]);
    assert_eq!(ids("limit=200&offset=7").await.len(), 1);
    assert!(ids("offset=18446744073709551615").await.is_empty());
}

#[tokio::test]
async fn nobody_makes_a_token_that_may_do_more_than_its_maker() {
    let world = World::new().await;
    for scope in [Scope::Read, Scope::Write] {
        let maker = Client::of(&world, OURS, scope);
        let body = json!({"name": "a", "scopes": ["admin"]});
        let answer = maker.post("/pats", body).await;
        answer.refused(40301);
        assert_eq!(answer.body["message"], "Insufficient permissions. Required scope: admin");
    }
    assert_eq!(Client::ours(&world).get("/pats").await.body["pagination"]["total"], 3);
}

#[tokio::test]
async fn a_token_can_revoke_itself() {
    let world = World::new().await;
    let body = json!({"name": "me", "scopes": ["admin"]});
    let made = Client::ours(&world).post("/pats", body).await.created().clone();
    let me = Client::new(&world, text(&made, "token"));
    me.delete(&format!("/pats/{}", id(&made))).await.empty();
    me.delete(&format!("/pats/{}", id(&made))).await.refused(40102);
}

#[tokio::test]
async fn the_owner_token_is_not_revoked() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let token = format!("pat_ws00000a_{}", "e".repeat(64));
    let pat = Pat {
        head: Head::new(Uuid::from_u128(0xE), OURS, noon()),
        name: "owner".to_owned(),
        token_prefix: token[..16].to_owned(),
        token_hash: world.services.hasher.hash(&token),
        scopes: vec![Scope::Admin],
        member_id: MEMBER,
        is_owner_token: true,
        expires_at: None,
        revoked_at: None,
    };
    world.services.catalog.commit(vec![Write::insert(&pat).unwrap()]).await.unwrap();
    let path = format!("/pats/{}", pat.head.id);
    assert_eq!(owner.delete(&path).await.refused(40904)["code"], "in_use");
    world.services.directories.refresh(&*world.services.catalog).await.unwrap();
    assert!(Client::new(&world, token).get("/pats").await.status.is_success());
}
