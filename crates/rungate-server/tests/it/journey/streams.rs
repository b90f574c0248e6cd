//! Streams as a contract.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{Stage, streamed};

#[tokio::test]
async fn w_044_usage_is_kept_from_clients_that_did_not_ask() {
    let stage = Stage::set().await;
    let client = stage.tenant.client();
    let answer = client.post("/v1/chat/completions", &streamed("gpt-4o-mini")).await;
    assert_eq!(answer.header("content-type").map(|text| text.starts_with("text/event-stream")), Some(true));
    let text = answer.text();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(!text.contains("\"choices\":[]"), "the usage chunk is ours: {text}");
    let row = stage.row(answer.header("alephant-id").unwrap()).await;
    assert_eq!((row["usageSource"].as_str(), row["stream"].as_bool()), (Some("reported"), Some(true)));
    assert!(row["ttftMs"].is_number());

    let mut body = streamed("gpt-4o-mini");
    body["stream_options"] = json!({ "include_usage": true });
    let answer = client.post("/v1/chat/completions", &body).await;
    assert!(answer.text().contains("\"choices\":[]"), "asked for: relayed");
    stage.audit().await;
}

#[tokio::test]
async fn every_streaming_route_ends_in_good_order() {
    let stage = Stage::set().await;
    let open = stage.tenant.open_client();
    let mut responses = json!({ "model": "openai/gpt-4o-mini", "input": "hi", "stream": true });
    responses["store"] = json!(false);
    let mut messages = streamed("anthropic/claude-sonnet-4-5");
    messages["max_tokens"] = json!(64);
    let mut translated = messages.clone();
    translated["model"] = json!("openai/gpt-4o-mini");
    for (path, body, end) in [
        ("/v1/responses", responses, "response.completed"),
        ("/v1/messages", messages, "message_stop"),
        ("/v1/messages", translated, "message_stop"),
        ("/v1/chat/completions", streamed("anthropic/claude-sonnet-4-5"), "[DONE]"),
    ] {
        for directives in ["", "ragged", "crlf"] {
            stage.direct(directives).await;
            let answer = open.post(path, &body).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            let last = answer.text().trim_end().lines().rev().take(2).collect::<String>();
            assert!(last.contains(end), "{path} {directives}: {last}");
            let row = stage.row(answer.header("alephant-id").unwrap()).await;
            assert_eq!(row["outcome"], "succeeded", "{path} {directives}");
            assert_eq!(row["usageSource"], "reported", "{path} {directives}");
            assert!(row["costNanoUsd"].is_string(), "{path} {directives}");
        }
    }
    stage.audit().await;
}

#[tokio::test]
async fn w_045_a_stream_that_dies_ends_with_an_error_and_never_with_done() {
    let options = rungate_testkit::ServerOptions::default().env("RUNGATE_UPSTREAM_IDLE_TIMEOUT_MS", "500");
    let stage = Stage::set_with(options).await;
    let open = stage.tenant.open_client();
    for directives in ["cut=3", "close=3", "stall=3", "nofinish", "errorevent=3"] {
        stage.direct(directives).await;
        for (path, model, terminator) in [
            ("/v1/chat/completions", "openai/gpt-4o-mini", "[DONE]"),
            ("/v1/messages", "anthropic/claude-sonnet-4-5", "message_stop"),
            ("/v1/responses", "openai/gpt-4o-mini", "response.completed"),
            ("/v1/chat/completions", "anthropic/claude-sonnet-4-5", "[DONE]"),
        ] {
            // Only chat has a finish reason that can be missing while everything else is in order.
            if directives == "nofinish" && path != "/v1/chat/completions" {
                continue;
            }
            let mut body = streamed(model);
            if path == "/v1/responses" {
                body = json!({ "model": model, "input": "hi", "stream": true });
            }
            body["max_tokens"] = json!(64);
            if path == "/v1/responses" {
                body.as_object_mut().unwrap().remove("max_tokens");
            }
            let answer = open.post(path, &body).await;
            let (text, case) = (answer.text(), format!("{path} {model} {directives}"));
            assert!(!text.contains(terminator), "{case}: {text}");
            assert!(text.contains("error"), "{case}: {text}");
            let row = stage.ended_row(answer.header("alephant-id").unwrap()).await;
            assert_eq!(row["outcome"], "upstream_failed", "{case}");
            assert_eq!(row["errorCode"], "upstream_stream_failed", "{case}");
            assert_eq!(row["costStatus"], "estimated", "{case}: {row}");
        }
    }
    stage.audit().await;
}

#[tokio::test]
async fn w_046_a_client_that_leaves_cancels_the_provider_and_is_charged_once() {
    let stage = Stage::set().await;
    stage.direct("chunk=50+tokens=400").await;
    let body = streamed("gpt-4o-mini").to_string();
    let mut stream = stage.tenant.client().open(Method::POST, "/v1/chat/completions", body).await;
    let id = stream.headers["alephant-id"].to_str().unwrap().to_owned();
    for _ in 0..4 {
        stream.next().await.unwrap();
    }
    drop(stream);
    let left = std::time::Instant::now();
    while stage.sim.stats().await["streams_cancelled"] != 1 {
        assert!(left.elapsed() < Duration::from_secs(1), "the provider still sends");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let row = stage.ended_row(&id).await;
    assert_eq!((row["outcome"].as_str(), row["status"].as_u64()), (Some("client_closed"), Some(499)));
    assert_eq!(
        (row["usageSource"].as_str(), row["costStatus"].as_str()),
        (Some("estimated"), Some("estimated"))
    );
    assert!(row["tokens"]["output"].as_u64().unwrap() > 0, "what was produced is charged");
    stage.audit().await;
}

#[tokio::test]
async fn w_046_a_client_that_leaves_before_the_head_cancels_too() {
    let stage = Stage::set().await;
    stage.direct("hang").await;
    let client = stage.tenant.client().with("x-request-id", "left-early");
    let waiting = client.send(Method::POST, "/v1/chat/completions", streamed("gpt-4o-mini").to_string());
    assert!(tokio::time::timeout(Duration::from_millis(300), waiting).await.is_err());
    drop(client);
    let left = std::time::Instant::now();
    while stage.sim.stats().await["waits_cancelled"] != 1 {
        assert!(left.elapsed() < Duration::from_secs(1), "the provider still works");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let row = stage.ended_row("left-early").await;
    assert_eq!((row["outcome"].as_str(), row["costNanoUsd"].as_str()), (Some("client_closed"), None));
    assert_eq!(row["costStatus"], "unknown");
    stage.audit().await;
}

#[tokio::test]
async fn w_046_a_client_that_leaves_in_its_own_body_is_recorded_as_gone() {
    use tokio::io::AsyncWriteExt as _;
    let stage = Stage::set().await;
    let address = stage.server.origin.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nx-request-id: half-a-body\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{\"model\":",
        stage.tenant.key
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    for _ in 0..200 {
        let found = stage.server.owner().get("/api/v1/requests/half-a-body").await;
        if found.status == 200 {
            let row = found.data();
            assert_eq!(
                (row["outcome"].as_str(), row["costNanoUsd"].as_str()),
                (Some("client_closed"), Some("0"))
            );
            assert_eq!(stage.sim.stats().await["requests_total"], 0);
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the exchange does not end");
}
