//! The provider of the benchmark: fixed answers, so that its own work is the same for whoever is measured.
//!
//! A body with `"stream":true` gets as many events as its `max_tokens`, with `seed` milliseconds between two of them;
//! everything else gets one whole answer. `GET /count` says what came in.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// 633 bytes, as answers of a sentence or two are.
const ANSWER: &str = r#"{"id":"chatcmpl-BenchBenchBenchBenchBenchBench","object":"chat.completion","created":1760000000,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"The shipment left the warehouse on Monday and should be delivered by Thursday. Anything else I can find?","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":57,"completion_tokens":17,"total_tokens":74,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}},"service_tier":"default","system_fingerprint":"fp_0123456789"}"#;
const CHUNK: &str = r#"data: {"id":"chatcmpl-BenchBenchBenchBenchBenchBench","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}],"usage":null}

"#;
const END: &str = r#"data: {"id":"chatcmpl-BenchBenchBenchBenchBenchBench","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}

data: {"id":"chatcmpl-BenchBenchBenchBenchBenchBench","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_0123456789","choices":[],"usage":{"prompt_tokens":57,"completion_tokens":17,"total_tokens":74}}

data: [DONE]

"#;
/// How far into a body the shape of the answer is looked for.
const SHAPE_BYTES: usize = 256;

/// What came in.
#[derive(Debug, Default)]
struct Count {
    requests: AtomicU64,
    streams: AtomicU64,
    body_bytes: AtomicU64,
}

type Answer = Either<Full<Bytes>, Paced>;

/// Serves on `address` for as long as the process lives; `started` is told where.
pub async fn serve(address: SocketAddr, started: impl FnOnce(SocketAddr)) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    started(listener.local_addr()?);
    let count = Arc::new(Count::default());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let count = Arc::clone(&count);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&count, request));
            let mut server = hyper::server::conn::http1::Builder::new();
            // A client that leaves ends its connection, and nothing else.
            let _ = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(count: &Count, request: Request<Incoming>) -> Result<Response<Answer>, hyper::Error> {
    if request.method() == Method::GET {
        return Ok(json(counted(count)));
    }
    let body = request.into_body().collect().await?.to_bytes();
    count.requests.fetch_add(1, Ordering::Relaxed);
    count.body_bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
    let shape = &body[..body.len().min(SHAPE_BYTES)];
    if memchr::memmem::find(shape, br#""stream":true"#).is_none() {
        return Ok(json(Bytes::from_static(ANSWER.as_bytes())));
    }
    count.streams.fetch_add(1, Ordering::Relaxed);
    let chunks = number(shape, br#""max_tokens":"#).unwrap_or(1);
    let pace = Duration::from_millis(number(shape, br#""seed":"#).unwrap_or(0));
    let mut response = Response::new(Either::Right(Paced::new(chunks, pace)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

fn json(body: Bytes) -> Response<Answer> {
    let mut response = Response::new(Either::Left(Full::new(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn counted(count: &Count) -> Bytes {
    let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let (requests, streams, body_bytes) = (of(&count.requests), of(&count.streams), of(&count.body_bytes));
    let count = serde_json::json!({ "requests": requests, "streams": streams, "bodyBytes": body_bytes });
    Bytes::from(count.to_string())
}

/// The number that follows `name`.
fn number(text: &[u8], name: &[u8]) -> Option<u64> {
    let start = memchr::memmem::find(text, name)? + name.len();
    let digits = text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[start..start + digits]).ok()?.parse().ok()
}

/// Events with a pause before each but the first, which waits for no timer: those are a millisecond coarse.
struct Paced {
    left: u64,
    begun: bool,
    ended: bool,
    ticks: Option<Interval>,
}

impl Paced {
    fn new(chunks: u64, pace: Duration) -> Self {
        let ticks = (!pace.is_zero()).then(|| {
            let mut ticks = tokio::time::interval_at(Instant::now() + pace, pace);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        Self { left: chunks, begun: false, ended: false, ticks }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.left > 0 {
            if self.begun
                && let Some(ticks) = &mut self.ticks
                && ticks.poll_tick(context).is_pending()
            {
                return Poll::Pending;
            }
            self.begun = true;
            self.left -= 1;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(CHUNK.as_bytes())))));
        }
        self.ended = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(END.as_bytes())))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_as_large_as_said_and_are_json() {
        assert_eq!(ANSWER.len(), 633);
        serde_json::from_str::<serde_json::Value>(ANSWER).unwrap();
        for event in [CHUNK, END].concat().split("\n\n").filter(|event| !event.is_empty()) {
            let data = event.strip_prefix("data: ").unwrap();
            assert!(data == "[DONE]" || serde_json::from_str::<serde_json::Value>(data).is_ok(), "{data}");
        }
    }

    #[test]
    fn the_shape_of_a_stream_is_read_off_the_request() {
        let body = br#"{"model":"m","stream":true,"max_tokens":20,"seed":5,"messages":[]}"#;
        assert_eq!(number(body, br#""max_tokens":"#), Some(20));
        assert_eq!(number(body, br#""seed":"#), Some(5));
        assert_eq!(number(body, br#""n":"#), None);
    }
}
