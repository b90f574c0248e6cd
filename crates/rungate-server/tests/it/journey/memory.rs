//! Memory is bounded in bytes, idle and under overload.

use std::time::Duration;

use http::Method;
use rungate_testkit::ServerOptions;
use serde_json::json;

use super::{Stage, chat};

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn idle_memory_is_small_and_the_start_is_quick() {
    let stage = Stage::set().await;
    let mut quickest = stage.server.ready_after;
    let mut server = stage.server;
    for _ in 0..3 {
        assert_eq!(server.stop().await, Some(0));
        quickest = quickest.min(server.restart().await);
    }
    println!("ready after {quickest:?}; resident {} KiB", server.resident_bytes() / 1024);
    // The bound itself is measured on the release build; a debug build has twice the code to map.
    let bound = if cfg!(debug_assertions) { 80 * MIB } else { 40 * MIB };
    assert!(server.resident_bytes() <= bound, "{} bytes resident", server.resident_bytes());
}

#[tokio::test]
async fn a_slow_provider_under_load_fills_the_bound_and_no_more() {
    let options = ServerOptions::default().env("RUNGATE_LIMITS_MEMORY_BYTES", "32MiB");
    let stage = Stage::set_with(options).await;
    stage.direct("hang").await;
    let before = stage.server.resident_bytes();
    let mut body = chat("gpt-4o-mini");
    body["messages"][0]["content"] = json!("x".repeat(1 << 20));
    let body = bytes::Bytes::from(body.to_string());
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..120 {
        let (client, body) = (stage.tenant.client(), body.clone());
        waiting.spawn(async move { client.send(Method::POST, "/v1/chat/completions", body).await });
    }
    let mut refused = 0;
    while let Ok(Some(answer)) = tokio::time::timeout(Duration::from_secs(3), waiting.join_next()).await {
        let answer = answer.unwrap();
        assert_eq!((answer.status.as_u16(), answer.error_code().as_str()), (503, "overloaded"));
        assert_eq!(answer.header("retry-after"), Some("1"));
        refused += 1;
    }
    assert!(
        (60..=105).contains(&refused),
        "{refused} of 120 requests of 1 MiB refused under a bound of 32 MiB"
    );
    let grown = stage.server.resident_bytes().saturating_sub(before);
    println!("{refused} refused; grown by {} MiB", grown / MIB);
    assert!(grown < 128 * MIB, "grown by {} MiB", grown / MIB);
    drop(waiting);
    // The room comes back: the next request is served.
    stage.direct("").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(stage.tenant.client().post("/v1/chat/completions", &chat("gpt-4o-mini")).await.status, 200);
}

#[tokio::test]
async fn w_054_a_store_that_stops_fills_the_journal_and_nothing_acknowledged_is_lost() {
    let options = ServerOptions::default()
        .env("RUNGATE_JOURNAL_MAX_BYTES", "16MiB")
        .env("RUNGATE_JOURNAL_SEGMENT_BYTES", "4MiB")
        .in_folder();
    let stage = Stage::set_with(options).await;
    let mut body = chat("gpt-4o-mini");
    body["messages"][0]["content"] = json!("x".repeat(256 << 10));
    let body = bytes::Bytes::from(body.to_string());
    let first = stage.tenant.client().send(Method::POST, "/v1/chat/completions", body.clone()).await;
    assert_eq!(first.status, 200);
    stage.row(first.header("alephant-id").unwrap()).await;

    // Another process holds the write lock: to the log's writer the store is away.
    let held = rusqlite::Connection::open(stage.server.data().join("log").join("views.db")).unwrap();
    held.execute_batch("begin immediate").unwrap();
    let before = stage.server.resident_bytes();
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    while refused < 20 {
        let answer = stage.tenant.client().send(Method::POST, "/v1/chat/completions", body.clone()).await;
        if answer.status == 200 {
            acknowledged.push(answer.header("alephant-id").unwrap().to_owned());
            assert!(acknowledged.len() < 200, "the journal has no bound");
            continue;
        }
        assert_eq!((answer.status.as_u16(), answer.error_code().as_str()), (503, "journal_unavailable"));
        assert_eq!(answer.header("retry-after"), Some("1"));
        refused += 1;
    }
    let sent = stage.sim.stats().await["requests_total"].as_u64().unwrap();
    assert_eq!(sent, 1 + acknowledged.len() as u64, "a refused request went upstream");
    let grown = stage.server.resident_bytes().saturating_sub(before);
    println!("{} acknowledged, then refused; grown by {} MiB", acknowledged.len(), grown / MIB);
    assert!(acknowledged.len() > 20 && grown < 64 * MIB);

    held.execute_batch("rollback").unwrap();
    drop(held);
    for id in &acknowledged {
        assert_eq!(stage.ended_row(id).await["outcome"], "succeeded");
    }
    let again = stage.tenant.client().send(Method::POST, "/v1/chat/completions", body).await;
    assert_eq!(again.status, 200, "the bound is free again: {}", again.text());
    stage.audit().await;
}
