//! What tests may ask about afterwards: how much came, how it ended, and the last request byte for byte.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use serde_json::{Map, Value, json};

use crate::route::Route;

/// A larger body of a last request is counted but not kept.
const MAX_KEPT_BODY_BYTES: usize = 1 << 20;
/// So much of a credential is shown: enough to tell whose it is, not to use it.
const SHOWN_CREDENTIAL_CHARACTERS: usize = 4;

/// Counts since the start or the last reset, and the last request.
#[derive(Default)]
pub(crate) struct Stats {
    requests: [AtomicU64; Route::ALL.len()],
    connections_open: AtomicU64,
    connections_total: AtomicU64,
    answers_open: AtomicU64,
    streams_cancelled: AtomicU64,
    waits_cancelled: AtomicU64,
    last: Mutex<Option<Last>>,
}

struct Last {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Option<Bytes>,
    body_bytes: usize,
}

impl Stats {
    /// Counts a request and keeps it as the last one.
    pub fn record(&self, route: Route, parts: &Parts, body: &Bytes) {
        self.requests[route as usize].fetch_add(1, Ordering::Relaxed);
        let last = Last {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            body: (body.len() <= MAX_KEPT_BODY_BYTES).then(|| body.clone()),
            body_bytes: body.len(),
        };
        *self.last() = Some(last);
    }

    /// Forgets all but what is open now.
    pub fn reset(&self) {
        let counts = [&self.connections_total, &self.streams_cancelled, &self.waits_cancelled];
        for count in self.requests.iter().chain(counts) {
            count.store(0, Ordering::Relaxed);
        }
        *self.last() = None;
    }

    /// All of it as JSON.
    pub fn report(&self) -> Value {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let requests: Map<String, Value> = Route::ALL
            .iter()
            .map(|route| (route.to_string(), read(&self.requests[*route as usize])))
            .filter(|(_, count)| *count > 0)
            .map(|(route, count)| (route, count.into()))
            .collect();
        json!({
            "requests": requests,
            "requests_total": self.requests.iter().map(read).sum::<u64>(),
            "connections_open": read(&self.connections_open),
            "connections_total": read(&self.connections_total),
            "answers_open": read(&self.answers_open),
            "streams_cancelled": read(&self.streams_cancelled),
            "waits_cancelled": read(&self.waits_cancelled),
            "last_request": self.last().as_ref().map(Last::report),
        })
    }

    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    fn report(&self) -> Value {
        let headers: Value = self
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                match name.as_str() {
                    "authorization" | "x-api-key" | "api-key" | "cookie" => {
                        json!([name.as_str(), masked(&value)])
                    }
                    _ => json!([name.as_str(), value]),
                }
            })
            .collect();
        json!({
            "method": self.method.as_str(),
            "path": self.uri.to_string(),
            "headers": headers,
            "body_bytes": self.body_bytes,
            "body_base64": self.body.as_ref().map(|body| STANDARD.encode(body)),
        })
    }
}

/// The scheme, the first characters and the length of a credential.
fn masked(value: &str) -> String {
    let (scheme, secret) = match value.split_once(' ') {
        Some((scheme, secret)) => (format!("{scheme} "), secret),
        None => (String::new(), value),
    };
    let start: String = secret.chars().take(SHOWN_CREDENTIAL_CHARACTERS).collect();
    format!("{scheme}{start}…({} bytes)", secret.len())
}

/// A connection, counted while it lives.
pub(crate) struct OpenConnection(Arc<Stats>);

impl OpenConnection {
    pub fn new(stats: &Arc<Stats>) -> Self {
        stats.connections_open.fetch_add(1, Ordering::Relaxed);
        stats.connections_total.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(stats))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer on its way. Dropped before it is finished, it was cancelled by the client.
pub(crate) struct InFlight {
    stats: Arc<Stats>,
    has_head: bool,
    is_finished: bool,
}

impl InFlight {
    /// Before the head of the answer.
    pub fn new(stats: &Arc<Stats>) -> Self {
        stats.answers_open.fetch_add(1, Ordering::Relaxed);
        Self { stats: Arc::clone(stats), has_head: false, is_finished: false }
    }

    /// From the head on.
    pub fn with_head(self) -> Self {
        let mut this = self;
        this.has_head = true;
        this
    }

    /// It was written to its end.
    pub fn finish(mut self) {
        self.is_finished = true;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.stats.answers_open.fetch_sub(1, Ordering::Relaxed);
        if !self.is_finished {
            let count =
                if self.has_head { &self.stats.streams_cancelled } else { &self.stats.waits_cancelled };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_show_their_start_only() {
        assert_eq!(masked("Bearer sk-provider-secret"), "Bearer sk-p…(18 bytes)");
        assert_eq!(masked("sk-ant-x"), "sk-a…(8 bytes)");
        assert!(!masked("Bearer vk-0123456789").contains("0123"));
    }
}
