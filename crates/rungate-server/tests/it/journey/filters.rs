//! Content filters over answers: whole, piece by piece, and kept for equal requests.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::{Stage, chat, streamed};

/// Words that the simulated provider says, in pieces of four bytes.
const SAID: &str = "has one job";

impl Stage {
    async fn filter(&self, action: &str, mode: &str, regex: &str) -> String {
        let body = json!({
            "name": format!("{action} {mode} {}", regex.len()), "type": "content_filter", "mode": mode,
            "config": { "detectors": [{ "name": "words", "regex": regex }], "on": "response", "action": action },
        });
        let answer = self.server.owner().post("/api/v1/policies", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        format!("/api/v1/policies/{}", answer.data()["id"].as_str().unwrap())
    }

    async fn off(&self, policy: &str) {
        let changed =
            self.server.owner().send(Method::PATCH, policy, json!({ "enabled": false }).to_string()).await;
        assert!(changed.status.is_success(), "{}", changed.text());
    }
}

fn streams() -> Vec<(&'static str, Value, &'static str)> {
    let responses = json!({ "model": "openai/gpt-4o-mini", "input": "hi", "stream": true });
    let mut messages = streamed("anthropic/claude-sonnet-4-5");
    messages["max_tokens"] = json!(64);
    let mut translated = messages.clone();
    translated["model"] = json!("openai/gpt-4o-mini");
    vec![
        ("/v1/chat/completions", streamed("openai/gpt-4o-mini"), "[DONE]"),
        ("/v1/chat/completions", streamed("anthropic/claude-sonnet-4-5"), "[DONE]"),
        ("/v1/responses", responses, "response.completed"),
        ("/v1/messages", messages, "message_stop"),
        ("/v1/messages", translated, "message_stop"),
    ]
}

fn found(row: &Value) -> Vec<(&str, &str)> {
    let decisions = row["decisions"].as_array().unwrap();
    decisions
        .iter()
        .filter(|it| it["type"] == "content_filter")
        .map(|it| (it["effect"].as_str().unwrap(), it["reason"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn a_stream_that_a_filter_refuses_says_nothing_to_the_client_or_the_log() {
    let stage = Stage::set().await;
    let open = stage.tenant.open_client();
    let refuse = stage.filter("refuse", "enforce", SAID).await;
    for (path, body, terminator) in streams() {
        for directives in ["", "ragged", "crlf"] {
            stage.direct(directives).await;
            let answer = open.post(path, &body).await;
            let (text, case) = (answer.text(), format!("{path} {} {directives}", body["model"]));
            assert_eq!(answer.status, 200, "{case}");
            assert!(text.contains("policy_denied") && !text.contains(terminator), "{case}: {text}");
            assert!(!text.contains("sim") && !text.contains("job"), "{case}: {text}");
            let id = answer.header("alephant-id").unwrap();
            let row = stage.ended_row(id).await;
            assert_eq!(
                (&row["outcome"], &row["errorCode"]),
                (&json!("refused"), &json!("policy_denied")),
                "{case}"
            );
            assert_eq!(found(&row), [("deny", "found words")], "{case}");
            assert!(
                row["costNanoUsd"].as_str().unwrap().parse::<u64>().unwrap() > 0,
                "{case}: it was paid for"
            );
            assert_eq!(
                (&row["previewOut"], &row["bodies"]["response"]),
                (&json!(""), &json!(false)),
                "{case}"
            );
        }
    }
    // Nothing is held against what does not say it.
    stage.off(&refuse).await;
    stage.filter("refuse", "enforce", "no such words").await;
    for (path, body, terminator) in streams() {
        let answer = open.post(path, &body).await;
        assert!(
            answer.text().contains(terminator) && answer.text().contains("job"),
            "{path}: {}",
            answer.text()
        );
        let row = stage.ended_row(answer.header("alephant-id").unwrap()).await;
        assert_eq!((&row["outcome"], found(&row).len()), (&json!("succeeded"), 0));
        assert_eq!(row["bodies"]["response"], true);
    }
    stage.audit().await;
}

#[tokio::test]
async fn what_only_marks_or_logs_lets_a_stream_flow() {
    let stage = Stage::set().await;
    stage.direct("chunk=30+tokens=40").await;
    stage.filter("flag", "enforce", SAID).await;
    stage.filter("refuse", "log_only", "old new").await;
    let body = streamed("gpt-4o-mini").to_string();
    let begun = Instant::now();
    let mut stream = stage.tenant.client().open(Method::POST, "/v1/chat/completions", body).await;
    let id = stream.headers["alephant-id"].to_str().unwrap().to_owned();
    stream.next().await.unwrap();
    let first = begun.elapsed();
    let answer = stream.rest().await;
    assert!(answer.text().contains("[DONE]"));
    assert!(first + Duration::from_millis(500) < begun.elapsed(), "{first:?} of {:?}", begun.elapsed());
    let row = stage.ended_row(&id).await;
    let mut found = found(&row);
    found.sort_unstable();
    assert_eq!(found, [("deny", "found words"), ("flag", "found words")]);
    assert_eq!(row["outcome"], "succeeded");

    // Of a stream that breaks off, what came is marked too.
    stage.direct("cut=30+tokens=40").await;
    let answer = stage.tenant.client().post("/v1/chat/completions", &streamed("gpt-4o-mini")).await;
    let row = stage.ended_row(answer.header("alephant-id").unwrap()).await;
    assert_eq!(row["outcome"], "upstream_failed");
    assert_eq!(self::found(&row).len(), 2, "{row}");
}

#[tokio::test]
async fn a_refused_stream_that_breaks_off_has_let_nothing_out() {
    let stage = Stage::set().await;
    stage.filter("refuse", "enforce", SAID).await;
    stage.direct("cut=9+tokens=40").await;
    let answer = stage.tenant.client().post("/v1/chat/completions", &streamed("gpt-4o-mini")).await;
    assert!(
        !answer.text().contains("job") && answer.text().contains("upstream_stream_failed"),
        "{}",
        answer.text()
    );
    let row = stage.ended_row(answer.header("alephant-id").unwrap()).await;
    assert_eq!((&row["outcome"], &row["previewOut"]), (&json!("upstream_failed"), &json!("")), "{row}");
    // A client that leaves while it waits.
    stage.direct("chunk=40+tokens=100").await;
    let body = streamed("gpt-4o-mini").to_string();
    let stream = stage.tenant.client().open(Method::POST, "/v1/chat/completions", body).await;
    let id = stream.headers["alephant-id"].to_str().unwrap().to_owned();
    tokio::time::sleep(Duration::from_millis(600)).await;
    drop(stream);
    let row = stage.ended_row(&id).await;
    assert_eq!((&row["outcome"], &row["previewOut"]), (&json!("client_closed"), &json!("")), "{row}");
}

#[tokio::test]
async fn kept_answers_are_looked_at_again_whole_and_streamed() {
    let stage = Stage::set().await;
    let client = stage.tenant.client();
    let caching = json!({ "name": "keep", "type": "caching", "config": { "ttlSeconds": 600 } });
    assert_eq!(stage.server.owner().post("/api/v1/policies", &caching).await.status, 201);
    for body in [chat("gpt-4o-mini"), streamed("gpt-4o-mini")] {
        for expected in ["MISS", "HIT"] {
            let answer = client.post("/v1/chat/completions", &body).await;
            assert_eq!(answer.header("rungate-cache"), Some(expected));
        }
    }
    stage.filter("refuse", "enforce", SAID).await;
    for body in [chat("gpt-4o-mini"), streamed("gpt-4o-mini")] {
        let answer = client.post("/v1/chat/completions", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.error_code()),
            (403, "policy_denied".to_owned()),
            "{body}"
        );
        assert!(!answer.text().contains("job"));
        let row = stage.ended_row(answer.header("alephant-id").unwrap()).await;
        assert_eq!((&row["cache"], &row["costNanoUsd"]), (&json!("hit"), &json!("0")), "{row}");
        assert_eq!((&row["previewOut"], &row["bodies"]["response"]), (&json!(""), &json!(false)), "{row}");
    }
}

#[tokio::test]
async fn the_words_of_a_form_are_masked_and_its_file_stays() {
    let stage = Stage::set().await;
    let policy = json!({
        "name": "mask", "type": "content_filter", "config": { "detectors": ["email"], "action": "redact" },
    });
    assert_eq!(stage.server.owner().post("/api/v1/policies", &policy).await.status, 201);
    let form = "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ngpt-image-1\r\n\
                --b\r\ncontent-disposition: form-data; name=\"prompt\"\r\n\r\nmail zoe@example.com now\r\n\
                --b\r\ncontent-disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\nPNG a@b.io\r\n--b--\r\n";
    let client = stage.tenant.client().with("content-type", "multipart/form-data; boundary=b");
    let answer = client.send(Method::POST, "/v1/images/edits", form).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.header("alephant-id").unwrap();
    let bodies = stage.server.owner().get(&format!("/api/v1/requests/{id}/bodies")).await.data();
    let kept = bodies["request"].as_str().unwrap();
    assert!(
        kept.contains("\r\n\r\nmail [redacted] now\r\n--b") && kept.contains("PNG a@b.io\r\n--b--"),
        "{kept}"
    );
}
