//! A simulated provider on a free port, and a client for it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rungate_sim::{SimConfig, serve};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A provider that ends with the test.
pub struct Provider {
    pub address: SocketAddr,
    _shutdown: DropGuard,
}

/// An answer read to its end, or to where it broke.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The frames as they came.
    pub frames: Vec<Bytes>,
    /// Whether the body broke before its end.
    pub is_broken: bool,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        tokio::spawn(serve(listener, SimConfig::default(), shutdown.clone()));
        Self { address, _shutdown: shutdown.drop_guard() }
    }

    pub async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Sends a request as it is and gives the head of its answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> http::Response<Incoming> {
        self.connect().await.send_request(request).await.unwrap()
    }

    pub async fn call(&self, request: Request<Full<Bytes>>) -> Answer {
        read(self.send(request).await).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(post(path, body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(with_key("GET", path).body(Full::default()).unwrap()).await
    }

    /// A chat of one message with `model` and the fields of `more`.
    pub async fn chat(&self, model: &str, more: Value) -> Answer {
        self.post("/v1/chat/completions", &chat(model, more)).await
    }

    pub async fn stats(&self) -> Value {
        self.get("/sim/stats").await.json()
    }

    /// Waits until `is_so` of the statistics; fails after a second.
    pub async fn wait_for(&self, is_so: impl Fn(&Value) -> bool) {
        let poll = async {
            while !is_so(&self.stats().await) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1), poll).await.expect("it did not happen within a second");
    }
}

pub fn with_key(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "sim")
        .header("authorization", "Bearer sk-test")
}

pub fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    let request = with_key("POST", path).header("content-type", "application/json");
    request.body(Full::from(body.to_string())).unwrap()
}

pub fn chat(model: &str, more: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "12345678"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

pub async fn read(response: http::Response<Incoming>) -> Answer {
    let (parts, mut body) = response.into_parts();
    let mut answer =
        Answer { status: parts.status, headers: parts.headers, frames: Vec::new(), is_broken: false };
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => answer.frames.extend(frame.into_data().ok()),
            Err(_) => answer.is_broken = true,
        }
    }
    answer
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.frames.concat()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// The data of each event; `[DONE]` is a string.
    pub fn events(&self) -> Vec<Value> {
        let text = self.text().replace("\r\n", "\n");
        text.split_terminator("\n\n")
            .map(|event| {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
                serde_json::from_str(data).unwrap_or_else(|_| data.into())
            })
            .collect()
    }

    /// The `type` of each event.
    pub fn types(&self) -> Vec<String> {
        self.events().iter().map(|event| event["type"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The strings at `pointer` of all events, joined.
    pub fn joined(&self, pointer: &str) -> String {
        self.events().iter().filter_map(|event| event.pointer(pointer)?.as_str().map(str::to_owned)).collect()
    }
}
