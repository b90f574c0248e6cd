//! A client that shows everything of an answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Nothing in the tests takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Sends requests to one origin.
#[derive(Clone)]
pub struct Client {
    inner: HyperClient<HttpConnector, Full<Bytes>>,
    origin: String,
    headers: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Whether the body came to its proper end.
    pub complete: bool,
}

/// An answer of which the head is here and the body is still coming. Dropped, it leaves.
pub struct Streamed {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: Incoming,
}

impl Client {
    /// A client without credentials.
    pub fn new(origin: impl Into<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let inner = HyperClient::builder(TokioExecutor::new()).build(connector);
        Self { inner, origin: origin.into(), headers: Vec::new() }
    }

    /// The same client, which sends one more header each time.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same client with a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// Where it sends to.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Sends a request and waits for its head; an error is that of the connection.
    pub async fn try_open(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Streamed, hyper_util::client::legacy::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.origin));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let has_type = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !body.is_empty() && !has_type {
            request = request.header("content-type", "application/json");
        }
        let response = self.inner.request(request.body(Full::new(body)).unwrap()).await?;
        let (head, body) = response.into_parts();
        Ok(Streamed { status: head.status, headers: head.headers, body })
    }

    /// Sends a request and waits for its head.
    pub async fn open(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Streamed {
        let opening = self.try_open(method, path, body.into());
        tokio::time::timeout(PATIENCE, opening)
            .await
            .unwrap_or_else(|_| panic!("{path}: no head in time"))
            .unwrap()
    }

    /// Sends a request and waits for the whole answer.
    pub async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        self.open(method, path, body).await.rest().await
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body.to_string()).await
    }
}

impl Streamed {
    /// The next piece; `None` at the end, and also where the connection breaks.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.ok()??.ok()?;
            if let Ok(data) = frame.into_data() {
                return Some(data);
            }
        }
    }

    /// The rest of the answer.
    pub async fn rest(mut self) -> Answer {
        let mut body = Vec::new();
        let mut complete = true;
        loop {
            match tokio::time::timeout(PATIENCE, self.body.frame()).await {
                Err(elapsed) => panic!("the answer does not end: {elapsed}"),
                Ok(None) => break,
                Ok(Some(Err(_))) => {
                    complete = false;
                    break;
                }
                Ok(Some(Ok(frame))) => body.extend(frame.into_data().unwrap_or_default()),
            }
        }
        Answer { status: self.status, headers: self.headers, body: body.into(), complete }
    }
}

impl Answer {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// `data` of the control plane's envelope; panics on an error.
    pub fn data(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        self.json()["data"].clone()
    }

    /// The code of an error, in its header and its body alike.
    pub fn error_code(&self) -> String {
        let named = self.header("rungate-error-code").unwrap_or_default().to_owned();
        let body = self.json();
        assert_eq!(body["error"]["code"], named.as_str(), "header and body name different codes: {body}");
        named
    }
}
