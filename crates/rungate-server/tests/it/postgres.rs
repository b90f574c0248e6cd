//! The binary on PostgreSQL. Skipped where there is none; see the testkit.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use http::Method;
use rungate_core::secret::Secret;
use rungate_server::boot::{Booted, boot};
use rungate_server::config::{Config, Credentials};
use rungate_store::DatabaseUrl;
use rungate_testkit::{Server, ServerOptions, Sim, Tenant, TestCluster, TestDatabase};
use serde_json::json;
use tokio::process::Command;

use crate::client::PATIENCE;

const BIN: &str = env!("CARGO_BIN_EXE_rungate");
/// Nodes of one installation share it.
const SEALING_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// How long a change may take to be in force on every node.
const WITHIN: Duration = Duration::from_secs(1);

fn options(url: &str) -> ServerOptions {
    ServerOptions::default().in_folder().env("RUNGATE_STORE_URL", url).env("RUNGATE_SEALING_KEY", SEALING_KEY)
}

async fn run(url: &str, arguments: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(BIN);
    command
        .env_clear()
        .env("RUNGATE_STORE_URL", url)
        .env("RUNGATE_STORE_WAIT_SECONDS", "1")
        .args(arguments)
        .arg("--data")
        .arg(folder.path().join("data"))
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("an end").unwrap();
    let said = [output.stdout.clone(), output.stderr.clone()].concat();
    (output, String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn what_one_node_changes_is_in_force_on_the_other_within_a_second() {
    let Some(database) = TestDatabase::create() else { return };
    let sim = Sim::start().await;
    let one = Server::start(Path::new(BIN), options(&database.url())).await;
    let two = Server::start(Path::new(BIN), options(&database.url())).await;
    let tenant = Tenant::create(&one, &sim).await;
    let made = Instant::now();
    let chat = json!({ "model": "gpt-4o-mini", "messages": [{ "role": "user", "content": "Hello" }] });
    let client = two.client().bearer(&tenant.key);
    while client.post("/v1/chat/completions", &chat).await.status != 200 {
        assert!(made.elapsed() < WITHIN, "{}", two.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("a key works on the other node after {} ms", made.elapsed().as_millis());
    let revoked = Instant::now();
    let path = format!("/api/v1/virtual-keys/{}", tenant.agent["virtualKey"]["id"].as_str().unwrap());
    assert!(one.owner().send(Method::DELETE, &path, "").await.status.is_success());
    while client.post("/v1/chat/completions", &chat).await.status != 401 {
        assert!(revoked.elapsed() < WITHIN, "{}", two.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("it is refused there {} ms after it was revoked", revoked.elapsed().as_millis());
    let ready = two.client().get("/readyz").await.json();
    assert_eq!(ready["components"]["catalog"], json!({ "status": "ok", "store": "postgresql" }));
    for server in [&one, &two] {
        assert!(server.data().join("node.id").exists());
        assert!(!server.data().join("control.db").exists());
    }
}

#[tokio::test]
async fn nodes_that_start_together_on_an_empty_database_make_one_owner_and_one_pepper() {
    let Some(database) = TestDatabase::create() else { return };
    let sim = Sim::start().await;
    let node = || Server::start(Path::new(BIN), options(&database.url()));
    let (one, two, three, four) = tokio::join!(node(), node(), node(), node());
    let nodes = [one, two, three, four];
    for (kind, count) in [("setting", "1"), ("workspace", "1"), ("member", "1"), ("pat", "1")] {
        let found = database.sql(&format!("SELECT count(*) FROM document WHERE kind = '{kind}'"));
        assert_eq!(found, count, "{kind}");
    }
    let tenant = Tenant::create(&nodes[0], &sim).await;
    let made = Instant::now();
    let chat = json!({ "model": "gpt-4o-mini", "messages": [{ "role": "user", "content": "Hello" }] });
    for node in &nodes {
        assert_eq!(node.owner().get("/api/v1/agents").await.status, 200, "{}", node.log());
        let client = node.client().bearer(&tenant.key);
        while client.post("/v1/chat/completions", &chat).await.status != 200 {
            assert!(made.elapsed() < PATIENCE, "{}", node.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn nodes_that_start_together_show_one_owner_token() {
    let Some(database) = TestDatabase::create() else { return };
    let node = async || {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.store.data = folder.path().join("data");
        config.store.url = DatabaseUrl::parse(&database.url());
        let credentials =
            Credentials { owner_token: None, sealing_key: Some(Secret::new(SEALING_KEY.to_owned())) };
        let Booted { services, stores, telemetry, fresh_owner_token, .. } =
            boot(&config, &credentials).await.unwrap();
        let hash = fresh_owner_token.as_ref().map(|token| services.hasher.hash(token.expose()));
        drop((services, telemetry));
        stores.close().await;
        hash
    };
    let shown = tokio::join!(node(), node(), node(), node());
    let shown: Vec<_> = [shown.0, shown.1, shown.2, shown.3].into_iter().flatten().collect();
    assert_eq!(shown.len(), 1, "{shown:?}");
    let stored = database.sql("SELECT value FROM unique_name WHERE kind = 'pat' AND name = 'token'");
    assert_eq!(stored, shown[0].to_hex());
}

#[tokio::test]
async fn what_people_said_is_in_the_database_and_not_in_the_debug_log() {
    let Some(database) = TestDatabase::create() else { return };
    let sim = Sim::start().await;
    let server = Server::start(Path::new(BIN), options(&database.url())).await;
    let tenant = Tenant::create(&server, &sim).await;
    let said = "a question for nobody else";
    let chat = json!({ "model": "gpt-4o-mini", "messages": [{ "role": "user", "content": said }] });
    let answer = tenant.client().post("/v1/chat/completions", &chat).await;
    assert_eq!(answer.status, 200);
    let path = format!("/api/v1/requests/{}", answer.header("alephant-id").unwrap());
    let asked = Instant::now();
    while server.owner().get(&path).await.status != 200 {
        assert!(asked.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let log = server.log();
    assert!(log.contains("\"level\":\"DEBUG\""), "{log}");
    assert!(!log.contains(said) && !log.contains("executing statement"), "{log}");
}

#[tokio::test]
async fn a_server_waits_for_its_database_and_goes_on_while_it_is_away() {
    let Some(mut cluster) = TestCluster::start() else { return };
    cluster.stop();
    let url = cluster.url();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let start = tokio::spawn(async move { Server::start_in(Path::new(BIN), folder, options(&url)).await });
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let began = Instant::now();
    while !said().contains("waiting for PostgreSQL") {
        assert!(!start.is_finished() && began.elapsed() < PATIENCE, "{}", said());
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    cluster.resume();
    let server = start.await.unwrap();

    let sim = Sim::start().await;
    let tenant = Tenant::create(&server, &sim).await;
    let chat = json!({ "model": "gpt-4o-mini", "messages": [{ "role": "user", "content": "Hello" }] });
    cluster.stop();
    let catalog = async |status: &str| {
        let since = Instant::now();
        loop {
            let ready = server.client().get("/readyz").await.json();
            if ready["components"]["catalog"]["status"] == status {
                return ready;
            }
            assert!(since.elapsed() < PATIENCE, "{ready}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    assert_eq!(catalog("unreachable").await["status"], "degraded");
    let answer = tenant.client().post("/v1/chat/completions", &chat).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    cluster.resume();
    catalog("ok").await;
    assert_eq!(tenant.client().post("/v1/chat/completions", &chat).await.status, 200);
}

#[tokio::test]
async fn a_database_that_cannot_be_used_ends_the_start_with_what_to_do() {
    let Some(database) = TestDatabase::create() else { return };
    let nowhere = "postgres://rungate:hunter2@127.0.0.1:1/rungate";
    let wrong = database.url_as("nobody_known", "hunter2");
    for (url, reason) in [
        (nowhere, "could not be reached for 1 s"),
        (nowhere, "start the server, or correct RUNGATE_STORE_URL"),
        (&wrong, "password authentication failed"),
    ] {
        let (output, said) = run(url, &["serve", "--listen", "127.0.0.1:0"]).await;
        assert!(!output.status.success());
        assert!(said.contains(reason) && !said.contains("hunter2"), "{said}");
    }
    let (_, said) = run(nowhere, &["doctor"]).await;
    assert!(said.contains("✗ database") && !said.contains("hunter2"), "{said}");
    let (_, said) = run(&database.url(), &["doctor"]).await;
    assert!(said.contains("✓ database"), "{said}");
}
