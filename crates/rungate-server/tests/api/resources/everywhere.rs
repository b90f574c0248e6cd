//! What holds for every resource: who may, what exists, how lists and versions go.

use std::time::Duration;

use http::StatusCode;
use rungate_core::agent::Scope;
use serde_json::json;
use tokio::task::JoinSet;

use super::{Client, id};
use crate::world::{AGENT, AGENT_KEY, OURS, THEIRS, World, agent_name};

const LISTS: [&str; 9] = [
    "/provider-keys",
    "/agents",
    "/virtual-keys",
    "/workspaces",
    "/members",
    "/model-prices",
    "/webhooks",
    "/budgets",
    "/policies",
];

const NOBODY: &str = "018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001";

/// Every route that changes something, with the scope it needs.
fn writes() -> Vec<(&'static str, String, Scope)> {
    use Scope::{Admin, Write};
    let one = |path: &str| format!("{path}/{NOBODY}");
    vec![
        ("POST", "/provider-keys".to_owned(), Admin),
        ("PATCH", one("/provider-keys"), Admin),
        ("DELETE", one("/provider-keys"), Admin),
        ("POST", format!("{}/rotate", one("/provider-keys")), Admin),
        ("POST", format!("{}/verify", one("/provider-keys")), Admin),
        ("POST", "/agents".to_owned(), Write),
        ("PATCH", one("/agents"), Write),
        ("DELETE", one("/agents"), Write),
        ("PATCH", one("/workspaces"), Admin),
        ("GET", "/pats".to_owned(), Admin),
        ("POST", "/pats".to_owned(), Admin),
        ("PATCH", one("/pats"), Admin),
        ("DELETE", one("/pats"), Admin),
        ("POST", "/model-prices".to_owned(), Admin),
        ("DELETE", one("/model-prices"), Admin),
        ("POST", "/budgets".to_owned(), Admin),
        ("PATCH", one("/budgets"), Admin),
        ("DELETE", one("/budgets"), Admin),
        ("POST", "/policies".to_owned(), Admin),
        ("PATCH", one("/policies"), Admin),
        ("DELETE", one("/policies"), Admin),
        ("POST", format!("{}/activate", one("/policies")), Admin),
        ("POST", "/webhooks".to_owned(), Admin),
        ("PATCH", one("/webhooks"), Admin),
        ("DELETE", one("/webhooks"), Admin),
        ("POST", format!("{}/rotate", one("/webhooks")), Admin),
        ("POST", format!("{}/test", one("/webhooks")), Admin),
        ("POST", format!("{}/redeliver", one("/deliveries")), Admin),
        ("POST", "/virtual-keys".to_owned(), Write),
        ("PATCH", one("/virtual-keys"), Write),
        ("DELETE", one("/virtual-keys"), Write),
        ("POST", format!("{}/revoke", one("/virtual-keys")), Write),
        ("POST", format!("{}/rotate", one("/virtual-keys")), Write),
    ]
}

#[tokio::test]
async fn w_004_a_scope_that_is_too_small_is_403_with_the_exact_message() {
    let world = World::new().await;
    for (method, path, needed) in writes() {
        for scope in [Scope::Read, Scope::Write, Scope::Admin] {
            // Only the credential is looked at before the body.
            let answer = Client::of(&world, OURS, scope).text(method, &path, &[], "{").await;
            if scope >= needed {
                assert_ne!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
                continue;
            }
            assert_eq!(answer.refused(40301)["code"], "insufficient_scope", "{method} {path}");
            let message = format!("Insufficient permissions. Required scope: {}", needed.as_str());
            assert_eq!(answer.body["message"], message);
        }
    }
    for list in LISTS {
        Client::of(&world, OURS, Scope::Read).get(list).await.data();
    }
}

#[tokio::test]
async fn w_004_a_foreign_workspace_header_is_403() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let (ours, theirs) = (OURS.to_string(), THEIRS.to_string());
    for list in LISTS {
        let with = async |value: &str| owner.text("GET", list, &[("x-workspace-id", value)], "").await;
        with(&ours).await.data();
        with(&format!(" {} ", ours.to_uppercase())).await.data();
        let foreign = with(&theirs).await;
        assert_eq!(foreign.refused(40302)["code"], "workspace_mismatch");
        assert_eq!(foreign.refused(40302)["type"], "FORBIDDEN");
        for bad in ["acme", "", "0"] {
            assert_eq!(with(bad).await.refused(40011)["code"], "invalid_workspace_id");
        }
    }
    for (method, path, _) in writes() {
        owner.text(method, &path, &[("x-workspace-id", &theirs)], "{}").await.refused(40302);
    }
}

#[tokio::test]
async fn w_005_paths_and_methods_come_before_credentials_and_those_before_bodies() {
    let world = World::new().await;
    let nobody = Client::new(&world, "pat_ws00000a_nothing");
    for path in ["/provider-keys/", "/agents/", "/virtual-keys/x/reveal", "/nothing", "/", "//agents"] {
        nobody.get(path).await.refused(40400);
    }
    for (method, path) in
        [("PUT", "/agents"), ("POST", "/virtual-keys/x"), ("DELETE", "/members"), ("PATCH", "/pats")]
    {
        let answer = nobody.text(method, path, &[], "{}").await;
        assert_eq!(answer.refused(40500)["code"], "method_not_allowed");
        assert!(answer.headers.contains_key("allow"), "{method} {path}");
    }
    let huge = "x".repeat(2 << 20);
    for (method, path, _) in writes() {
        nobody.text(method, &path, &[("content-type", "text/plain")], &huge).await.refused(40101);
    }
}

#[tokio::test]
async fn w_006_bodies_that_cannot_be_read_are_refused_as_what_they_are() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    let bodies = writes().into_iter().filter(|(method, path, _)| {
        let bodiless = ["/revoke", "/verify", "/test", "/redeliver"].iter().any(|end| path.ends_with(end));
        *method == "PATCH" || *method == "POST" && !bodiless
    });
    let huge = format!("{{\"name\": \"{}\"}}", "x".repeat(1 << 20));
    let deep = format!("{{\"name\": {}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    for (method, path, _) in bodies {
        println!("{method} {path}");
        let send = async |body: &str| owner.text(method, &path, &[], body).await;
        assert_eq!(send(&huge).await.refused(41300)["type"], "TOO_LARGE");
        for broken in
            ["{", "{\"a\": }", "x", "{} {}", "\u{feff}{}", "{'a': 1}", "{\"a\": NaN}", &deep, "\"\\ud800\""]
        {
            assert_eq!(send(broken).await.refused(40002)["code"], "invalid_json", "{broken:.20}");
        }
        for other in ["[]", "null", "1", "\"{}\"", "true"] {
            assert_eq!(send(other).await.refused(40001)["code"], "invalid_request", "{other}");
        }
        let unknown = send(r#"{"__proto__": 1}"#).await;
        assert_eq!(unknown.body["error"]["code"], "invalid_request", "{}", unknown.body);
        for wrong in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "jsonx", ""] {
            let answer = owner.text(method, &path, &[("content-type", wrong)], "{}").await;
            assert_eq!(answer.refused(41500)["code"], "unsupported_media_type", "{wrong}");
        }
        for right in ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"] {
            let answer = owner.text(method, &path, &[("content-type", right)], "{").await;
            answer.refused(40002);
        }
    }
}

#[tokio::test]
async fn w_006_a_store_that_is_away_is_503_and_tells_nothing() {
    let mut world = World::new().await;
    let owner = Client::ours(&world);
    world.close_store().await;
    let label = json!({"label": "k"});
    for answer in [
        owner.get("/provider-keys").await,
        owner.get("/agents").await,
        owner.get(&format!("/agents/{}", agent_name())).await,
        owner.get("/virtual-keys").await,
        owner.get(&format!("/virtual-keys/{AGENT_KEY}")).await,
        owner.get("/pats").await,
        owner.get(&format!("/workspaces/{OURS}")).await,
        owner.get(&format!("/workspaces/{OURS}/stats")).await,
        owner.get("/members").await,
        owner.get("/model-prices").await,
        owner.post("/virtual-keys", label.clone()).await,
        owner.text("POST", "/virtual-keys", &[("idempotency-key", "k")], &label.to_string()).await,
        owner.post(&format!("/virtual-keys/{AGENT_KEY}/revoke"), json!({})).await,
        owner.patch(&format!("/workspaces/{OURS}"), json!({})).await,
        owner.delete(&format!("/agents/{AGENT}")).await,
    ] {
        assert_eq!(answer.refused(50300)["type"], "UNAVAILABLE");
        assert_eq!(answer.body["message"], "the store is unavailable; try again");
        assert_eq!(answer.headers["retry-after"], "1");
    }
}

#[tokio::test]
async fn w_007_an_id_of_another_workspace_is_404_on_every_route_and_verb() {
    let world = World::new().await;
    let (owner, stranger) = (Client::ours(&world), Client::theirs(&world));
    let provider_key = owner.provider_key().await;
    let price = owner.price("m").await;
    let pat = id(&owner.pat("p").await);
    let webhook = id(&owner.webhook("https://name.invalid").await);
    let delivery = owner.post(&format!("/webhooks/{webhook}/test"), json!({})).await;
    let delivery = id(delivery.data());
    let secret = json!({"secret": "sk-new"});
    let named = json!({"name": "x"});
    let none = json!({});
    for (base, routes) in [
        (
            format!("/provider-keys/{provider_key}"),
            vec![
                ("GET", "", &none),
                ("PATCH", "", &named),
                ("DELETE", "", &none),
                ("DELETE", "?cascade=true", &none),
                ("POST", "/rotate", &secret),
                ("POST", "/verify", &none),
            ],
        ),
        (format!("/master-keys/{provider_key}"), vec![("GET", "", &none), ("PATCH", "", &named)]),
        (format!("/agents/{AGENT}"), vec![("GET", "", &none), ("PATCH", "", &named), ("DELETE", "", &none)]),
        (
            format!("/agents/{}", agent_name()),
            vec![("GET", "", &none), ("PATCH", "", &named), ("DELETE", "", &none)],
        ),
        (
            format!("/virtual-keys/{AGENT_KEY}"),
            vec![
                ("GET", "", &none),
                ("PATCH", "", &none),
                ("DELETE", "", &none),
                ("POST", "/revoke", &none),
                ("POST", "/rotate", &none),
            ],
        ),
        (
            format!("/workspaces/{OURS}"),
            vec![("GET", "", &none), ("PATCH", "", &named), ("GET", "/stats", &none)],
        ),
        (format!("/pats/{pat}"), vec![("PATCH", "", &named), ("DELETE", "", &none)]),
        (
            format!("/webhooks/{webhook}"),
            vec![
                ("GET", "", &none),
                ("PATCH", "", &none),
                ("DELETE", "", &none),
                ("GET", "/deliveries", &none),
                ("POST", "/test", &none),
                ("POST", "/rotate", &none),
            ],
        ),
        (format!("/deliveries/{delivery}"), vec![("POST", "/redeliver", &none)]),
        (format!("/model-prices/{price}"), vec![("GET", "", &none), ("DELETE", "", &none)]),
    ] {
        for (method, rest, body) in routes {
            let path = format!("{base}{rest}");
            println!("{method} {path}");
            // A version or an Idempotency-Key changes nothing about it.
            for headers in [&[][..], &[("if-match", "1")], &[("idempotency-key", "same")]] {
                let answer = stranger.text(method, &path, headers, &body.to_string()).await;
                assert_eq!(answer.refused(40400)["code"], "not_found");
            }
        }
    }
    let body = json!({"label": "k", "entityType": "agent", "entityId": AGENT});
    stranger.post("/virtual-keys", body).await.refused(40400);
    for list in ["/provider-keys", "/agents", "/virtual-keys", "/model-prices", "/webhooks"] {
        assert_eq!(stranger.get(list).await.data()["total"], 0, "{list}");
    }
    assert_eq!(stranger.get("/pats").await.body["pagination"]["total"], 3);
    for path in
        [format!("/provider-keys/{provider_key}"), format!("/agents/{AGENT}"), format!("/workspaces/{OURS}")]
    {
        assert_eq!(owner.get(&path).await.data()["version"], 1);
    }
}

#[tokio::test]
async fn w_009_paging_over_a_growing_list_neither_repeats_nor_skips() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    for list in ["/virtual-keys", "/virtual-keys?status=active", "/provider-keys", "/model-prices", "/agents"]
    {
        let join = if list.contains('?') { '&' } else { '?' };
        let make = async |at: usize| match list.split('?').next() {
            Some("/provider-keys") => owner.provider_key().await,
            Some("/model-prices") => owner.price(&format!("m-{at}")).await,
            Some("/agents") => id(&owner.agent(&format!("a {at}")).await),
            _ => id(&owner.virtual_key("k").await),
        };
        for at in 0..7 {
            make(at).await;
            // Some are made at one and the same time.
            world.pass(Duration::from_micros(at as u64 % 2));
        }
        let expected = owner.get(list).await.ids();
        let mut seen = Vec::new();
        let mut path = format!("{list}{join}limit=2");
        for at in 100.. {
            let page = owner.get(&path).await;
            seen.extend(page.ids());
            let data = page.data();
            assert_eq!(data["hasMore"], !data["nextCursor"].is_null());
            let Some(cursor) = data["nextCursor"].as_str() else { break };
            world.pass(Duration::from_millis(1));
            make(at).await;
            path = format!("{list}{join}limit=2&cursor={cursor}");
        }
        assert_eq!(seen, expected, "{list}");
        let cursor = owner.get(&format!("{list}{join}limit=1")).await.data()["nextCursor"].clone();
        let cursor = cursor.as_str().unwrap();
        for mixed in ["page=1", "pageSize=5", "page=1&pageSize=5"] {
            let answer = owner.get(&format!("{list}{join}cursor={cursor}&{mixed}")).await;
            answer.broke("page", "conflict");
        }
        for bad in [format!("x{cursor}"), "x".to_owned(), cursor[..cursor.len() - 3].to_owned()] {
            assert_eq!(
                owner.get(&format!("{list}{join}cursor={bad}")).await.refused(40003)["code"],
                "invalid_cursor"
            );
        }
        owner.get(&format!("/members?cursor={cursor}")).await.refused(40003);
    }
}

#[tokio::test]
async fn w_095_lists_have_one_shape() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    for _ in 0..3 {
        owner.agent("a").await;
    }
    owner.price("m").await;
    owner.webhook("https://example.com").await;
    for list in LISTS {
        let answer = owner.get(&format!("{list}?page=1&pageSize=200")).await;
        let data = answer.data();
        assert_eq!(data["total"], data["data"].as_array().unwrap().len(), "{list}");
        assert_eq!((&data["page"], &data["pageSize"]), (&json!(1), &json!(200)));
        assert_eq!((&data["hasMore"], &data["nextCursor"].is_null()), (&json!(false), &true));
        assert_eq!(owner.get(list).await.data()["pageSize"], 50);
        let past = owner.get(&format!("{list}?page=9")).await;
        assert_eq!((&past.data()["data"], &past.data()["total"]), (&json!([]), &data["total"]));
        assert_eq!(past.data()["pageSize"], 20);
        for (query, field) in [
            ("pageSize=201", "pageSize"),
            ("pageSize=0", "pageSize"),
            ("page=0", "page"),
            ("page=x", "page"),
            ("limit=201", "limit"),
            ("limit=-1", "limit"),
            ("page=18446744073709551615", "page"),
        ] {
            assert_eq!(
                owner.get(&format!("{list}?{query}")).await.refused(40001)["field"],
                field,
                "{list}?{query}"
            );
        }
        for item in data["data"].as_array().unwrap() {
            for field in ["id", "createdAt", "updatedAt", "version"] {
                assert!(!item[field].is_null(), "{list} {field}");
            }
        }
    }
    let first = owner.get("/virtual-keys?page=1&pageSize=2").await.ids();
    let second = owner.get("/virtual-keys?page=2&pageSize=2").await.ids();
    assert_eq!([first, second].concat(), owner.get("/virtual-keys?limit=4").await.ids());
}

/// Something of each resource that can be changed, with a change of it.
async fn changeable(owner: &Client) -> [(String, serde_json::Value); 6] {
    let name = json!({"name": "x"});
    [
        (format!("/provider-keys/{}", owner.provider_key().await), name.clone()),
        (format!("/agents/{AGENT}"), name.clone()),
        (format!("/webhooks/{}", id(&owner.webhook("https://example.com").await)), json!({"enabled": false})),
        (format!("/workspaces/{OURS}"), name.clone()),
        (format!("/pats/{}", id(&owner.pat("p").await)), name),
        (format!("/virtual-keys/{AGENT_KEY}"), json!({"label": "x"})),
    ]
}

#[tokio::test]
async fn w_010_a_stale_version_is_409_in_the_body_and_in_the_header() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    for (path, change) in changeable(&owner).await {
        println!("{path}");
        let send = async |version: Option<u64>, headers: &[(&str, &str)]| {
            let mut body = change.clone();
            body["version"] = json!(version);
            owner.text("PATCH", &path, headers, &body.to_string()).await
        };
        assert_eq!(send(Some(1), &[]).await.data()["version"], 2);
        assert_eq!(send(None, &[("if-match", "\"2\"")]).await.data()["version"], 3);
        assert_eq!(send(Some(3), &[("if-match", "3")]).await.data()["version"], 4);
        assert_eq!(send(None, &[("if-match", "*")]).await.data()["version"], 5);
        for (version, if_match) in [
            (Some(4), "*"),
            (Some(6), "*"),
            (None, "\"4\""),
            (Some(5), "4"),
            (Some(4), "5"),
            (None, "\"abc\""),
        ] {
            let answer = send(version, &[("if-match", if_match)]).await;
            let error = answer.refused(40901);
            assert_eq!((&error["code"], &error["type"]), (&json!("version_conflict"), &json!("CONFLICT")));
        }
        assert_eq!(send(None, &[]).await.data()["version"], 6);
    }
}

#[tokio::test]
async fn w_010_of_changes_at_the_same_time_one_wins() {
    let world = World::new().await;
    let owner = Client::ours(&world);
    for (path, mut change) in changeable(&owner).await {
        change["version"] = json!(1);
        let mut racing = JoinSet::new();
        for _ in 0..8 {
            let (owner, path, change) = (owner.clone(), path.clone(), change.clone());
            racing.spawn(async move { owner.patch(&path, change).await });
        }
        let mut won = 0;
        for answer in racing.join_all().await {
            if answer.status == StatusCode::OK {
                won += 1;
            } else {
                answer.refused(40901);
            }
        }
        assert_eq!(won, 1, "{path}");
    }
}
