//! Every fault that a model name can ask for.

use std::io::ErrorKind;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::harness::{Provider, chat, post, with_key};

const STREAM: &str = "/v1/chat/completions";
const SOON: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_cut_stream_ends_in_a_reset_after_its_events() {
    let sim = Provider::start().await;
    let body = chat("m+cut=3", json!({"stream": true})).to_string();
    let mut socket = TcpStream::connect(sim.address).await.unwrap();
    let head = format!(
        "POST {STREAM} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).await.unwrap();
    let mut got = Vec::new();
    let error = socket.read_to_end(&mut got).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(String::from_utf8_lossy(&got).matches("data: ").count(), 3);
}

#[tokio::test]
async fn a_cut_answer_is_shorter_than_it_says() {
    let sim = Provider::start().await;
    let answer = sim.chat("m+cut=0", json!({})).await;
    assert!(answer.is_broken);
    let length: usize = answer.headers["content-length"].to_str().unwrap().parse().unwrap();
    assert_eq!(answer.frames.concat().len(), length / 2);
}

#[tokio::test]
async fn a_closed_stream_ends_cleanly_without_its_terminator() {
    let sim = Provider::start().await;
    let answer = sim.chat("m+close=3", json!({"stream": true})).await;
    assert!(!answer.is_broken);
    assert_eq!(answer.events().len(), 3);
}

#[tokio::test]
async fn nofinish_ends_without_a_reason() {
    let sim = Provider::start().await;
    let answer = sim.chat("m+nofinish", json!({"stream": true})).await;
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
    assert!(!answer.text().contains("\"stop\""));
}

#[tokio::test]
async fn an_error_event_ends_a_stream_in_each_dialect() {
    let sim = Provider::start().await;
    let answer = sim.chat("m+errorevent=2", json!({"stream": true})).await;
    assert_eq!(answer.events().len(), 3);
    assert_eq!(answer.events()[2]["error"]["type"], "server_error");

    let messages = json!([{"role": "user", "content": "x"}]);
    let ask = json!({"model": "m+errorevent=1", "max_tokens": 9, "messages": messages, "stream": true});
    let answer = sim.post("/v1/messages", &ask).await;
    assert_eq!(answer.types(), ["message_start", "error"]);

    let ask = json!({"model": "m+errorevent=4", "input": "x", "stream": true});
    let answer = sim.post("/v1/responses", &ask).await;
    assert_eq!(answer.events()[4]["type"], "error");
    assert_eq!(answer.events()[4]["sequence_number"], 4);
}

#[tokio::test]
async fn a_stalled_stream_goes_silent_and_its_cancelling_is_seen() {
    let sim = Provider::start().await;
    let mut body = sim.send(post(STREAM, &chat("m+stall=1", json!({"stream": true})))).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"data: "));
    assert!(timeout(SOON, body.frame()).await.is_err());
    assert_eq!(sim.stats().await["answers_open"], 1);
    drop(body);
    sim.wait_for(|stats| stats["streams_cancelled"] == 1 && stats["answers_open"] == 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_a_slow_stream_is_seen() {
    let sim = Provider::start().await;
    let mut body =
        sim.send(post(STREAM, &chat("m+chunk=20+tokens=5000", json!({"stream": true})))).await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    sim.wait_for(|stats| stats["streams_cancelled"] == 1).await;
}

#[tokio::test]
async fn hang_never_answers_and_its_cancelling_is_seen() {
    let sim = Provider::start().await;
    assert!(timeout(SOON, sim.chat("m+hang", json!({}))).await.is_err());
    sim.wait_for(|stats| stats["waits_cancelled"] == 1 && stats["connections_open"] == 1).await;
}

#[tokio::test]
async fn latency_and_chunk_take_their_time() {
    let sim = Provider::start().await;
    let start = std::time::Instant::now();
    sim.chat("m+latency=50+chunk=10+tokens=3", json!({"stream": true})).await;
    // One opening, three pieces, one finish and one terminator: five waits.
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_first_requests_fail_and_the_next_succeed() {
    let sim = Provider::start().await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(sim.chat("m+fail=2", json!({})).await.status.as_u16());
    }
    assert_eq!(statuses, [503, 503, 200]);
    assert_eq!(sim.chat("m+fail=1+error=429", json!({})).await.status, 429);
}

#[tokio::test]
async fn errors_have_openais_shape() {
    let sim = Provider::start().await;
    let limited = sim.chat("m+error=429+retry-after=2", json!({})).await;
    assert_eq!((limited.status.as_u16(), &limited.headers["retry-after"]), (429, &"2".parse().unwrap()));
    assert_eq!(limited.json()["error"]["code"], "rate_limit_exceeded");
    let unknown = sim.chat("unknown-1", json!({})).await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["error"]["code"]), (404, &"model_not_found".into()));
    let bad = sim.chat("m+nonsense", json!({})).await;
    assert_eq!(bad.status, 400);
    assert_eq!(bad.json()["error"]["message"], "unknown directive `nonsense` in the model name `m+nonsense`");
    assert_eq!(sim.get("/v1/nothing").await.status, 404);
}

#[tokio::test]
async fn what_is_no_provider_answer() {
    let sim = Provider::start().await;
    let redirect = sim.chat("m+redirect", json!({})).await;
    assert_eq!(redirect.status, 302);
    assert!(redirect.headers.contains_key("location"));
    let html = sim.chat("m+html", json!({})).await;
    assert_eq!((html.status.as_u16(), &html.headers["content-type"]), (502, &"text/html".parse().unwrap()));
    assert!(
        serde_json::from_str::<serde_json::Value>(&sim.chat("m+garbage", json!({})).await.text()).is_err()
    );
    let stream = sim.chat("m+garbage", json!({"stream": true})).await;
    assert!(stream.text().starts_with("data: <<<"));
    assert!(sim.chat("m+nousage", json!({})).await.json().get("usage").is_none());
}

#[tokio::test]
async fn ragged_and_crlf_change_no_event() {
    let sim = Provider::start().await;
    let plain = sim.chat("m+tokens=64", json!({"stream": true})).await;
    for words in ["ragged", "crlf", "ragged+crlf"] {
        let other = sim.chat(&format!("m+tokens=64+{words}"), json!({"stream": true})).await;
        assert_eq!(other.joined("/choices/0/delta/content"), plain.joined("/choices/0/delta/content"));
        assert_eq!(other.events().len(), plain.events().len());
        assert_eq!(other.text().contains("\r\n\r\n"), words.contains("crlf"));
        if words.contains("ragged") {
            let inside = other.frames.iter().filter(|frame| std::str::from_utf8(frame).is_err()).count();
            assert!(inside > 0, "no write ends inside a character");
        }
    }
}

#[tokio::test]
async fn a_big_answer_has_its_size() {
    let sim = Provider::start().await;
    let body = sim.chat("m+big=1000003", json!({})).await.json();
    assert_eq!(body["choices"][0]["message"]["content"].as_str().unwrap().len(), 1_000_003);
    let stream = sim.chat("m+big=1000003", json!({"stream": true})).await;
    assert_eq!(stream.joined("/choices/0/delta/content").len(), 1_000_003);
}

#[tokio::test]
async fn keys_decide_who_is_let_in() {
    let sim = Provider::start().await;
    for (path, key, status) in [
        (STREAM, "", 401),
        (STREAM, "sk-invalid", 401),
        (STREAM, "sk-nofunds", 429),
        (STREAM, "sk-forbidden", 403),
        ("/v1/messages", "", 401),
        ("/v1/messages", "sk-nofunds", 402),
    ] {
        let request =
            http::Request::post(path).header("host", "sim").header("authorization", format!("Bearer {key}"));
        let answer = sim.call(request.body(Full::from("{}")).unwrap()).await;
        assert_eq!(answer.status, status, "{path} {key}");
        assert!(answer.json()["error"]["message"].is_string());
    }
    let request = http::Request::get("/v1/models").header("host", "sim").header("x-api-key", "sk-ant");
    assert_eq!(sim.call(request.body(Full::default()).unwrap()).await.status, 200);
    let no_json = with_key("POST", STREAM).body(Full::from("{")).unwrap();
    assert_eq!(sim.call(no_json).await.status, 400);
}

#[tokio::test]
async fn shutdown_ends_what_hangs() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let serving =
        tokio::spawn(rungate_sim::serve(listener, rungate_sim::SimConfig::default(), shutdown.clone()));
    let body = chat("m+hang", json!({})).to_string();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {STREAM} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).await.unwrap();
    sleep(Duration::from_millis(20)).await;
    shutdown.cancel();
    timeout(Duration::from_secs(3), serving).await.expect("it did not end").unwrap();
}
