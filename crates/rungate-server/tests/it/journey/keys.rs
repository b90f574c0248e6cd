//! What a changed key does, on the node that changed it and on others: refused within a second, and for good.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use rungate_testkit::{Client, Server, ServerOptions, TestDatabase};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Stage, chat};

const SECOND: Duration = Duration::from_secs(1);

/// When the last request with the token was let in, by clients that go on asking over connections kept alive.
struct Asking {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Option<Instant>>,
}

impl Asking {
    fn begin(origins: &[&str], token: &str) -> Self {
        let (stop, mut clients) = (Arc::<AtomicBool>::default(), JoinSet::new());
        for origin in origins.iter().cycle().take(8) {
            let (client, stop) = (Client::new(*origin).bearer(token), Arc::clone(&stop));
            clients.spawn(async move {
                let (body, mut last) = (chat("gpt-4o-mini").to_string(), None);
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let answer = client.send(Method::POST, "/v1/chat/completions", body.clone()).await;
                    match answer.status.as_u16() {
                        200 => last = Some(begun),
                        status => assert!(matches!(status, 401 | 403), "{}", answer.text()),
                    }
                }
                last
            });
        }
        Self { stop, clients }
    }

    async fn end(mut self) -> Option<Instant> {
        self.stop.store(true, Ordering::Relaxed);
        let mut last = None;
        while let Some(ended) = self.clients.join_next().await {
            last = last.max(ended.unwrap());
        }
        last
    }
}

async fn status(origin: &str, token: &str) -> u16 {
    let answer = Client::new(origin).bearer(token).post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    answer.status.as_u16()
}

async fn new_key(server: &Server) -> (String, String) {
    let key = server.owner().post("/api/v1/virtual-keys", &json!({ "label": "short-lived" })).await.data();
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    (text("id"), text("fullToken"))
}

/// Each way to take a key out of use: the request of the control API, and whether the token ever works again.
fn ways(id: &str) -> Vec<(Method, String, Value)> {
    let path = format!("/api/v1/virtual-keys/{id}");
    vec![
        (Method::POST, format!("{path}/revoke"), json!({})),
        (Method::PATCH, path.clone(), json!({ "status": "disabled" })),
        (Method::POST, format!("{path}/rotate"), json!({ "graceSeconds": 0 })),
        (Method::DELETE, path, Value::Null),
    ]
}

async fn proven(change: &Server, all: &[&str]) {
    for way in 0..4 {
        let (id, token) = new_key(change).await;
        for origin in all {
            let begun = Instant::now();
            while status(origin, &token).await != 200 {
                assert!(begun.elapsed() < SECOND, "a new key works within a second");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let asking = Asking::begin(all, &token);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (method, path, body) = ways(&id).swap_remove(way);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = change.owner().send(method, &path, body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
        let changed = Instant::now();
        tokio::time::sleep(SECOND + SECOND / 2).await;
        let last = asking.end().await.unwrap();
        let after = last.saturating_duration_since(changed);
        assert!(after < SECOND, "{path}: still let in {after:?} later");
        for origin in all {
            assert_eq!(status(origin, &token).await, 401, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_revoked_switched_off_rotated_or_deleted_is_refused_within_a_second_for_good() {
    let mut stage = Stage::set().await;
    proven(&stage.server, &[&stage.server.origin.clone()]).await;
    let (id, token) = new_key(&stage.server).await;
    assert_eq!(status(&stage.server.origin, &token).await, 200);
    let revoked = stage.server.owner().post(&format!("/api/v1/virtual-keys/{id}/revoke"), &json!({})).await;
    assert!(revoked.status.is_success(), "{}", revoked.text());
    stage.server.kill().await;
    stage.server.restart().await;
    assert_eq!(status(&stage.server.origin, &token).await, 401, "no key comes back from the dead");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_on_the_same_database_refuses_it_within_a_second_too() {
    let Some(database) = TestDatabase::create() else { return };
    let options = || ServerOptions::default().in_folder().env("RUNGATE_STORE_URL", &database.url());
    let stage = Stage::set_with(options()).await;
    // Keys are sealed with the installation's key, which nodes share.
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::copy(stage.server.data().join("sealing.key"), folder.path().join("data/sealing.key")).unwrap();
    let other = Server::start_in(Path::new(env!("CARGO_BIN_EXE_rungate")), folder, options()).await;
    proven(&stage.server, &[&stage.server.origin, &other.origin]).await;
}

#[tokio::test]
async fn a_rotated_key_works_until_its_grace_ends_and_an_expired_one_no_longer() {
    let stage = Stage::set().await;
    let (id, token) = new_key(&stage.server).await;
    let rotate = json!({ "graceSeconds": 2 });
    let fresh = stage.server.owner().post(&format!("/api/v1/virtual-keys/{id}/rotate"), &rotate).await.data();
    let fresh = fresh["fullToken"].as_str().unwrap();
    let origin = &stage.server.origin;
    assert_eq!((status(origin, &token).await, status(origin, fresh).await), (200, 200));
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!((status(origin, &token).await, status(origin, fresh).await), (401, 200));

    let soon = jiff::Timestamp::now() + SECOND;
    let body = json!({ "expiresAt": soon.to_string() }).to_string();
    let path = format!("/api/v1/virtual-keys/{id}");
    let changed = stage.server.owner().send(Method::PATCH, &path, body).await;
    assert!(changed.status.is_success(), "{}", changed.text());
    assert_eq!(status(origin, fresh).await, 200);
    tokio::time::sleep(SECOND + SECOND / 5).await;
    assert_eq!(status(origin, fresh).await, 401);
}
