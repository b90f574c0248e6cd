//! `kill -9` under load: every answer that a client received in full is in the log exactly once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use rungate_testkit::{Client, Server};
use serde_json::Value;

use super::{Stage, chat, streamed};

/// `CRASH_ROUNDS` asks for more than the ten of every test run.
#[expect(clippy::disallowed_methods, reason = "how often is asked of the test, not of the product")]
fn rounds() -> u32 {
    std::env::var("CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

const CLIENTS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_received_in_full_is_in_the_log_exactly_once() {
    let mut stage = Stage::set().await;
    let mut received: Vec<String> = Vec::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..rounds() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let until_kill = Duration::from_millis(40 + random % 400);
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..CLIENTS {
            clients.spawn(load(stage.tenant.client(), Arc::clone(&stop), number));
        }
        tokio::time::sleep(until_kill).await;
        stage.server.kill().await;
        stop.store(true, Ordering::Relaxed);
        while let Some(ids) = clients.join_next().await {
            received.extend(ids.unwrap());
        }
        stage.server.restart().await;
        let left = stage.server.owner().get("/api/v1/requests?outcome=pending").await.data();
        assert_eq!(left["data"], serde_json::json!([]), "round {round}: an opening is left unexplained");
    }
    let mut rows: HashMap<String, Vec<String>> = HashMap::new();
    for row in all_rows(&stage.server).await {
        let id = row["id"].as_str().unwrap().to_owned();
        rows.entry(id).or_default().push(row["outcome"].as_str().unwrap().to_owned());
    }
    for id in &received {
        assert_eq!(rows.get(id).map(Vec::as_slice), Some(&["succeeded".to_owned()][..]), "{id}");
    }
    assert!(rows.values().all(|outcomes| outcomes.len() == 1), "a row stands twice");
    let interrupted = rows.values().filter(|outcomes| outcomes[0] == "interrupted").count();
    println!("{} answers received, {} rows, {interrupted} interrupted", received.len(), rows.len());
    assert!(received.len() > 10 * rounds() as usize, "too little load to prove anything");
}

/// Sends requests until it is stopped or the server is gone; the ids of answers received in full.
async fn load(client: Client, stop: Arc<AtomicBool>, number: usize) -> Vec<String> {
    let mut received = Vec::new();
    let body =
        if number.is_multiple_of(2) { chat("gpt-4o-mini") } else { streamed("gpt-4o-mini") }.to_string();
    while !stop.load(Ordering::Relaxed) {
        let Ok(answer) = client.try_open(Method::POST, "/v1/chat/completions", body.clone().into()).await
        else {
            break;
        };
        let answer = answer.rest().await;
        let is_whole =
            answer.complete && (number.is_multiple_of(2) || answer.text().ends_with("data: [DONE]\n\n"));
        if answer.status == 200 && is_whole {
            received.push(answer.header("alephant-id").unwrap().to_owned());
        }
    }
    received
}

pub(super) async fn all_rows(server: &Server) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.owner().get(&format!("/api/v1/requests?limit=200{cursor}")).await.data();
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}
