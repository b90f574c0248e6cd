//! Answers and requests that nobody should send, and somebody does.

use std::net::SocketAddr;
use std::path::Path;

use rungate_testkit::{Answer, Client, Server, ServerOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{chat, streamed};

const WHOLE: &str = r#"{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
const EVENTS: &str = concat!(
    r#"data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}"#,
    "\n\ndata: [DONE]\n\n"
);

/// A provider that answers every connection's first request with these bytes.
pub async fn provider(answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(one_answer(stream, answer.clone()));
        }
    });
    address
}

async fn one_answer(mut stream: TcpStream, answer: String) {
    read_request(&mut stream).await;
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// Reads to the end of the JSON that was sent.
async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"}") && stream.read_buf(&mut request).await.unwrap_or(0) > 0 {}
}

/// A client whose key is bound to a provider at `address`.
pub async fn client_of(server: &Server, address: SocketAddr) -> Client {
    let owner = server.owner();
    let name = address.to_string();
    let key = json!({ "name": name, "provider": "custom", "baseUrl": format!("http://{address}/v1"), "secret": "sk-odd" });
    let key = owner.post("/api/v1/provider-keys", &key).await.data();
    let agent = json!({ "type": "ai_agent", "name": name, "masterKeyId": key["id"] });
    let agent = owner.post("/api/v1/agents", &agent).await.data();
    server.client().bearer(agent["virtualKey"]["fullToken"].as_str().unwrap())
}

async fn server() -> Server {
    Server::start(Path::new(env!("CARGO_BIN_EXE_rungate")), ServerOptions::default()).await
}

async fn answered(server: &Server, head: &str, body: &str) -> Answer {
    let length = body.len();
    let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let client = client_of(server, provider(answer).await).await;
    client.post("/v1/chat/completions", &chat("m")).await
}

async fn row(server: &Server, answer: &Answer) -> Value {
    let id = answer.header("alephant-id").unwrap();
    server.owner().get(&format!("/api/v1/requests/{id}")).await.data()
}

#[tokio::test]
async fn a_status_that_is_no_answer_is_not_taken_over() {
    let server = server().await;
    for head in ["101 Switching Protocols\r\nupgrade: x", "304 Not Modified", "600 Weird", "999 Weird"] {
        let answer = answered(&server, head, "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.error_code().as_str()),
            (502, "upstream_invalid_response")
        );
        assert_eq!(row(&server, &answer).await["outcome"], "upstream_failed", "{head}");
    }
}

#[tokio::test]
async fn a_content_type_is_read_whatever_its_case() {
    let server = server().await;
    let answer = answered(&server, "200 OK\r\ncontent-type: Text/Event-Stream; charset=UTF-8", EVENTS).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, EVENTS));
}

#[tokio::test]
async fn a_model_name_is_short_and_one_line_on_both_sides() {
    let server = server().await;
    let endless = WHOLE.replace("\"model\":\"m\"", &format!("\"model\":\"{}\"", "m".repeat(100_000)));
    let answer = answered(&server, "200 OK\r\ncontent-type: application/json", &endless).await;
    assert_eq!((answer.status.as_u16(), answer.header("rungate-model")), (200, Some("m")));
    assert_eq!(row(&server, &answer).await["model"], "m");

    let client = client_of(&server, provider(String::new()).await).await;
    for model in ["m".repeat(513), "m\r\nx-forged: 1".to_owned()] {
        let answer = client.post("/v1/chat/completions", &chat(&model)).await;
        assert_eq!((answer.status.as_u16(), answer.error_code().as_str()), (400, "invalid_parameter"));
        assert_eq!(answer.json()["error"]["param"], "model");
        assert_eq!(row(&server, &answer).await["requestedModel"], Value::Null);
    }
}

#[tokio::test]
async fn an_answer_that_drips_ends_with_the_exchanges_time() {
    let options = ServerOptions::default()
        .env("RUNGATE_UPSTREAM_IDLE_TIMEOUT_MS", "1000")
        .env("RUNGATE_UPSTREAM_TOTAL_TIMEOUT_MS", "1500");
    let server = Server::start(Path::new(env!("CARGO_BIN_EXE_rungate")), options).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
        let mut piece = head.as_bytes();
        while stream.write_all(piece).await.is_ok() {
            piece = b" ";
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    let answer = client_of(&server, address).await.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((answer.status.as_u16(), answer.error_code().as_str()), (504, "upstream_timeout"));
    let row = row(&server, &answer).await;
    assert_eq!(
        (row["outcome"].as_str(), row["costStatus"].as_str()),
        (Some("upstream_failed"), Some("unknown"))
    );
}

#[tokio::test]
async fn unread_answers_take_room() {
    let options = ServerOptions::default().env("RUNGATE_LIMITS_MEMORY_BYTES", "16777216");
    let server = Server::start(Path::new(env!("CARGO_BIN_EXE_rungate")), options).await;
    let long = WHOLE.replace("\"hi\"", &format!("\"{}\"", "h".repeat(12 << 20)));
    let length = long.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{long}"
    );
    let client = client_of(&server, provider(answer).await).await;
    let body = chat("m").to_string();
    let unread = client.open(http::Method::POST, "/v1/chat/completions", body).await;
    let large = json!({ "model": "m", "messages": [], "padding": "p".repeat(8 << 20) });
    let refused = client.post("/v1/chat/completions", &large).await;
    assert_eq!((refused.status.as_u16(), refused.error_code().as_str()), (503, "overloaded"));
    assert!(unread.rest().await.complete);
    let answer = client.post("/v1/chat/completions", &large).await;
    assert_ne!(answer.status, 503, "the room is free again");
}

#[tokio::test]
async fn a_slow_reader_cannot_stretch_the_exchanges_time() {
    let options = ServerOptions::default().env("RUNGATE_UPSTREAM_TOTAL_TIMEOUT_MS", "1500");
    let server = Server::start(Path::new(env!("CARGO_BIN_EXE_rungate")), options).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // Long enough that the buffers on the way hold few of them.
        let text = "on and on ".repeat(6_000);
        let events = format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
        );
        while stream.write_all(events.as_bytes()).await.is_ok() {}
    });
    let client = client_of(&server, address).await;
    let mut stream = client.open(http::Method::POST, "/v1/chat/completions", streamed("m").to_string()).await;
    let started = std::time::Instant::now();
    let mut last = bytes::Bytes::new();
    while let Some(piece) = stream.next().await {
        assert!(started.elapsed().as_secs() < 20, "the stream goes on for ever");
        last = piece;
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert!(String::from_utf8_lossy(&last).contains("it took too long"), "{last:?}");
}

#[tokio::test]
async fn the_soft_limit_on_open_files_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("rungate");
    let text = format!("#!/bin/sh\nulimit -Sn 128\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_rungate"));
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let server = Server::start(&script, ServerOptions::default()).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers[0], numbers[1].min(20_256), "{line}");
}
