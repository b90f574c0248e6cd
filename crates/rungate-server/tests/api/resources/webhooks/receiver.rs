//! A receiver on loopback that answers by a script, and remembers what it was sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, Uri};
use rungate_core::webhook::SigningSecret;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status and a body.
    Status(u16, String),
    /// A redirect to a path.
    Redirect(String),
    /// Nothing, as long as anybody waits.
    Hang,
}

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Message {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Default)]
struct Script {
    /// The next answers; 200 when there is none.
    replies: Mutex<VecDeque<Reply>>,
    messages: Mutex<Vec<Message>>,
}

/// The receiver. Ends when dropped.
pub struct Receiver {
    pub url: String,
    script: Arc<Script>,
    serving: JoinHandle<()>,
}

impl Receiver {
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?key=k", listener.local_addr().unwrap());
        let script =
            Arc::new(Script { replies: Mutex::new(replies.into_iter().collect()), ..Script::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, script, serving }
    }

    /// Answers 500 so often, then 200.
    pub async fn failing(times: usize) -> Self {
        Self::start(std::iter::repeat_n(Reply::Status(500, "not now".to_owned()), times)).await
    }

    pub fn messages(&self) -> Vec<Message> {
        self.script.messages.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(script): State<Arc<Script>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path_and_query().unwrap().to_string();
    script.messages.lock().unwrap().push(Message { path, headers, body });
    let reply = script.replies.lock().unwrap().pop_front();
    match reply {
        None => StatusCode::OK.into_response(),
        Some(Reply::Status(status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Some(Reply::Redirect(to)) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Some(Reply::Hang) => std::future::pending().await,
    }
}

impl Message {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Which of the signatures that it carries a receiver with this secret accepts.
    pub fn verified_by(&self, secret: &str) -> bool {
        let secret = SigningSecret::parse(secret).unwrap();
        let seconds = self.header("webhook-timestamp").parse().unwrap();
        let expected = secret.sign(self.header("webhook-id"), seconds, &self.body);
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}
