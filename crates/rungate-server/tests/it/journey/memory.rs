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
