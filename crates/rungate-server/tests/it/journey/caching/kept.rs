//! What is kept, and what is not.

use http::Method;
use rungate_testkit::ServerOptions;
use serde_json::json;

use super::{Stage, ask, cache, chat, streamed};

#[tokio::test]
async fn nothing_broken_is_kept() {
    let options = ServerOptions::default()
        .env("RUNGATE_UPSTREAM_RETRIES", "0")
        .env("RUNGATE_UPSTREAM_IDLE_TIMEOUT_MS", "500");
    let stage = Stage::set_with(options).await;
    stage.policy("caching", json!({})).await;
    let client = stage.tenant.client();
    let broken = ["error=500", "error=400", "html", "garbage", "cut=3", "close=3", "stall=3"];
    for directives in broken.into_iter().chain(["errorevent=3", "nofinish"]) {
        for body in [chat("gpt-4o-mini"), streamed("gpt-4o-mini")] {
            // Whole answers have no events that could be wrong.
            if matches!(directives, "errorevent=3" | "nofinish") && body["stream"].is_null() {
                continue;
            }
            stage.direct(directives).await;
            let failed = client.post("/v1/chat/completions", &body).await;
            assert_eq!(cache(&failed), Some("MISS"), "{directives}");
            let row = stage.row_of(&failed).await;
            assert_eq!(row["outcome"], "upstream_failed", "{directives} {body}: {}", failed.text());
            assert_eq!(row["cache"], "miss");
        }
    }
    stage.direct("").await;
    for body in [chat("gpt-4o-mini"), streamed("gpt-4o-mini")] {
        assert_eq!(cache(&ask(&client, &body).await), Some("MISS"), "nothing was kept");
        assert_eq!(cache(&ask(&client, &body).await), Some("HIT"));
    }
    stage.audit().await;
}

#[tokio::test]
async fn a_stream_whose_client_left_is_not_kept() {
    let stage = Stage::set().await;
    stage.policy("caching", json!({})).await;
    stage.direct("chunk=50+tokens=60").await;
    let client = stage.tenant.client();
    let body = streamed("gpt-4o-mini");
    let mut left = client.open(Method::POST, "/v1/chat/completions", body.to_string()).await;
    let id = left.headers["alephant-id"].to_str().unwrap().to_owned();
    assert!(left.next().await.is_some());
    drop(left);
    assert_eq!(stage.ended_row(&id).await["outcome"], "client_closed");
    stage.direct("").await;
    assert_eq!(cache(&ask(&client, &body).await), Some("MISS"));
    // Of a kept one as well, what is recorded stands.
    let mut left = client.open(Method::POST, "/v1/chat/completions", body.to_string()).await;
    assert_eq!(left.headers["rungate-cache"], "HIT");
    assert!(left.next().await.is_some());
    stage.audit().await;
}

#[tokio::test]
async fn requests_at_once_each_go_to_the_provider() {
    let stage = Stage::set().await;
    stage.policy("caching", json!({})).await;
    stage.direct("latency=400").await;
    let (one, two) = (stage.tenant.client(), stage.tenant.client());
    let body = chat("gpt-4o-mini");
    let (first, second) = tokio::join!(ask(&one, &body), ask(&two, &body));
    assert_eq!((cache(&first), cache(&second)), (Some("MISS"), Some("MISS")));
    assert_eq!(stage.upstream().await, 2);
    assert_eq!(cache(&ask(&one, &body).await), Some("HIT"));
}

#[tokio::test]
async fn what_the_provider_stores_or_runs_is_asked_for_each_time() {
    let stage = Stage::set().await;
    let client = stage.tenant.client().with("alephant-cache-enabled", "true");
    let stored = json!({ "model": "gpt-4o-mini", "input": "hi" });
    let searching =
        json!({ "model": "gpt-4o-mini", "input": "hi", "store": false, "tools": [{ "type": "web_search" }] });
    let spoken = json!({ "model": "tts-1", "input": "hello", "voice": "alloy" });
    let counted =
        json!({ "model": "anthropic/claude-sonnet-4-5", "messages": [{ "role": "user", "content": "hi" }] });
    for (path, body) in [
        ("/v1/responses", stored),
        ("/v1/responses", searching),
        ("/v1/audio/speech", spoken),
        ("/v1/moderations", json!({ "model": "omni-moderation-latest", "input": "x" })),
        ("/v1/images/generations", json!({ "model": "gpt-image-1", "prompt": "a cat" })),
        ("/v1/messages/count_tokens", counted),
    ] {
        let client = if path.contains("count_tokens") {
            stage.tenant.open_client().with("alephant-cache-enabled", "true")
        } else {
            client.clone()
        };
        for _ in 0..2 {
            let before = stage.upstream().await;
            let answer = client.post(path, &body).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert_ne!(cache(&answer), Some("HIT"), "{path}");
            let warning = answer.header("rungate-warning").unwrap_or_default();
            assert!(warning.contains("cache_disabled"), "{path}: {warning}");
            assert_eq!(stage.upstream().await, before + 1, "{path}");
        }
    }
    // Where a policy asks, it is no news to the client.
    stage.policy("caching", json!({})).await;
    let answer =
        stage.tenant.client().post("/v1/responses", &json!({ "model": "gpt-4o-mini", "input": "hi" })).await;
    assert_eq!((cache(&answer), answer.header("rungate-warning")), (Some("MISS"), None));
    assert_eq!(stage.row_of(&answer).await["cache"], "bypass");
}

#[tokio::test]
async fn what_is_not_to_be_stored_is_not_kept_and_erasing_lets_go() {
    let stage = Stage::set().await;
    stage.policy("caching", json!({})).await;
    let client = stage.tenant.client().with("alephant-user-id", "zoe");
    let omitting = client.clone().with("alephant-omit-response", "");
    let body = chat("gpt-4o-mini");
    assert_eq!(cache(&ask(&omitting, &body).await), Some("MISS"));
    assert_eq!(cache(&ask(&client, &body).await), Some("MISS"), "nothing was kept");
    assert_eq!(cache(&ask(&omitting, &body).await), Some("HIT"));
    let erased = stage.server.owner().post("/api/v1/erasures", &json!({ "userId": "zoe" })).await;
    assert_eq!(erased.status, 200, "{}", erased.text());
    assert_eq!(cache(&ask(&client, &body).await), Some("MISS"));
}

#[tokio::test]
async fn the_cache_is_bounded_in_bytes_and_says_how_it_fares() {
    let stage = Stage::set_with(ServerOptions::default().env("RUNGATE_LIMITS_CACHE_BYTES", "256KiB")).await;
    stage.policy("caching", json!({})).await;
    let client = stage.tenant.client();
    let numbered = |stream: bool, number: u64| {
        let mut body = if stream { streamed("gpt-4o-mini") } else { chat("gpt-4o-mini") };
        body["user"] = json!(number.to_string());
        body
    };
    // No answer takes more than a sixteenth.
    stage.direct("big=20000").await;
    for stream in [false, true] {
        assert_eq!(cache(&ask(&client, &numbered(stream, 0)).await), Some("MISS"));
        assert_eq!(cache(&ask(&client, &numbered(stream, 0)).await), Some("MISS"), "too large");
    }
    stage.direct("big=9000").await;
    for number in 1..60 {
        assert_eq!(cache(&ask(&client, &numbered(number % 2 == 0, number)).await), Some("MISS"));
    }
    let metrics = stage.server.client().get("/metrics").await.text();
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("{name} is not in:\n{metrics}"));
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let bytes = value("rungate_cache_bytes");
    assert!((64 << 10..=256 << 10).contains(&bytes), "{bytes}");
    assert!((5..29).contains(&value("rungate_cache_answers")));
    assert_eq!(value("rungate_cache_exchanges_total{result=\"miss\"}"), 63);
    assert_eq!(cache(&ask(&client, &numbered(false, 59)).await), Some("HIT"), "the last is there");
    let metrics = stage.server.client().get("/metrics").await.text();
    assert!(metrics.contains("rungate_cache_exchanges_total{result=\"hit\"} 1"), "{metrics}");
    let saved = metrics.lines().find(|line| line.starts_with("rungate_cache_saved_nano_usd_total"));
    assert!(!saved.unwrap().ends_with(" 0"), "{saved:?}");
}

#[tokio::test]
async fn without_memory_for_it_nothing_is_kept() {
    let stage = Stage::set_with(ServerOptions::default().env("RUNGATE_LIMITS_CACHE_BYTES", "0")).await;
    let client = stage.tenant.client().with("alephant-cache-enabled", "true");
    for _ in 0..2 {
        let answer = ask(&client, &chat("gpt-4o-mini")).await;
        assert_eq!(
            (cache(&answer), answer.header("rungate-warning")),
            (Some("MISS"), Some("cache_disabled"))
        );
    }
}

#[tokio::test]
async fn a_restart_forgets_what_was_kept() {
    let mut stage = Stage::set().await;
    stage.policy("caching", json!({})).await;
    let body = chat("gpt-4o-mini");
    assert_eq!(cache(&ask(&stage.tenant.client(), &body).await), Some("MISS"));
    let hit = ask(&stage.tenant.client(), &body).await;
    assert_eq!(cache(&hit), Some("HIT"));
    stage.server.kill().await;
    stage.server.restart().await;
    assert_eq!(cache(&ask(&stage.tenant.client(), &body).await), Some("MISS"));
    let row = stage.row_of(&hit).await;
    assert_eq!((&row["cache"], &row["costNanoUsd"]), (&json!("hit"), &json!("0")), "answered, so in the log");
    stage.audit().await;
}

#[tokio::test]
async fn a_kept_answer_that_cannot_be_recorded_is_not_given() {
    let options = ServerOptions::default()
        .env("RUNGATE_JOURNAL_MAX_BYTES", "16MiB")
        .env("RUNGATE_JOURNAL_SEGMENT_BYTES", "4MiB")
        .in_folder();
    let stage = Stage::set_with(options).await;
    stage.policy("caching", json!({})).await;
    let client = stage.tenant.client();
    let mut body = chat("gpt-4o-mini");
    body["messages"][0]["content"] = json!("x".repeat(256 << 10));
    stage.row_of(&ask(&client, &body).await).await;
    // Another process holds the write lock: the log takes nothing over, until the journal is full.
    let held = rusqlite::Connection::open(stage.server.data().join("log").join("views.db")).unwrap();
    held.execute_batch("begin immediate").unwrap();
    let mut given = Vec::new();
    let refused = loop {
        let answer = client.post("/v1/chat/completions", &body).await;
        if answer.status != 200 {
            break answer;
        }
        assert_eq!(cache(&answer), Some("HIT"));
        given.push(answer);
        assert!(given.len() < 400, "the journal has no bound");
    };
    assert_eq!((refused.status.as_u16(), refused.error_code().as_str()), (503, "journal_unavailable"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    held.execute_batch("rollback").unwrap();
    drop(held);
    for answer in &given {
        assert_eq!(stage.row_of(answer).await["cache"], "hit");
    }
    assert_eq!(cache(&ask(&client, &body).await), Some("HIT"));
    assert_eq!(stage.upstream().await, 1);
    stage.audit().await;
}
