//! Stage 6: the answer on its way back, metered as the client sees it.
//!
//! A whole answer is recorded before it leaves. A stream is relayed event by event; its last event waits until the
//! outcome is recorded, so that no client holds a complete answer that the log does not know.

mod error;
mod replay;
mod screen;
mod stream;
mod whole;

use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;
use rungate_core::code::Code;
use rungate_core::exchange::CacheUse;
use rungate_core::operation::Operation;
use rungate_core::time::Timestamp;
use rungate_llm::bridge::AnswerContext;
use tokio::time::Instant;

use crate::body::Body;
use crate::exchange::Exchange;
use crate::memory::MemoryPool;
use crate::refusal::Refusal;
use crate::routing::Candidate;
use crate::stage::dispatch::Failure;
use crate::stage::parse::Parsed;
use crate::upstream::{Timeouts, headers};

pub use replay::replay;

/// What relaying needs to know besides the answer itself.
pub struct Plan {
    operation: Operation,
    candidate: Candidate,
    include_usage: bool,
    asked_model: String,
    now: Timestamp,
    pool: MemoryPool,
    timeouts: Timeouts,
    /// When the whole exchange has taken too long.
    deadline: Instant,
}

impl Plan {
    /// The plan for the answer to `parsed`, for which the exchange has taken `elapsed` so far.
    pub fn new(
        parsed: &Parsed,
        candidate: Candidate,
        now: Timestamp,
        pool: MemoryPool,
        timeouts: Timeouts,
        elapsed: Duration,
    ) -> Self {
        Self {
            operation: parsed.operation,
            include_usage: parsed.scan.include_usage,
            asked_model: parsed.scan.model.clone().or_else(|| candidate.model.clone()).unwrap_or_default(),
            candidate,
            now,
            pool,
            timeouts,
            deadline: Instant::now() + timeouts.total.saturating_sub(elapsed),
        }
    }

    fn context(&self) -> AnswerContext {
        AnswerContext {
            model: self.asked_model.clone(),
            created: self.now.seconds(),
            include_usage: self.include_usage,
        }
    }
}

/// Turns the provider's answer into the client's, and settles the exchange.
pub async fn relay(exchange: Exchange, plan: Plan, response: Response<Incoming>) -> Response<Body> {
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        return Box::pin(error::relay(exchange, plan, head, body)).await;
    }
    let content_type = head.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_of = |essence: &str| {
        let sent = content_type.and_then(|text| text.split(';').next()).unwrap_or_default();
        sent.trim().eq_ignore_ascii_case(essence)
    };
    let is_stream = is_of("text/event-stream");
    let is_sound = plan.operation == Operation::Speech && !is_of("application/json");
    if is_stream {
        stream::events(exchange, plan, &head, body)
    } else if is_sound {
        stream::bytes(exchange, plan, &head, body)
    } else {
        whole::relay(exchange, plan, head, body).await
    }
}

/// Answers a failure: nothing of the provider's is relayed.
pub async fn fail(mut exchange: Exchange, operation: Operation, failure: Failure) -> Response<Body> {
    let Failure { refusal, charge } = failure;
    exchange.fail(refusal.code, &refusal.message);
    exchange.settle(charge, &rungate_llm::meter::Report::default());
    let mut response = refusal.respond(operation.dialect(), exchange.record.id);
    exchange.record.response_bytes = http_body::Body::size_hint(response.body()).exact().unwrap_or(0);
    add_ours(response.headers_mut(), &exchange, false);
    close(
        exchange,
        rungate_core::exchange::Outcome::UpstreamFailed,
        refusal.code.status(),
        operation,
        response,
    )
    .await
}

/// Records the outcome, then lets the answer go. An outcome that cannot be recorded takes the answer's place.
async fn close(
    exchange: Exchange,
    outcome: rungate_core::exchange::Outcome,
    status: u16,
    operation: Operation,
    response: Response<Body>,
) -> Response<Body> {
    let id = exchange.record.id;
    match exchange.close(outcome, status).await {
        Ok(()) => response,
        Err(error) => {
            tracing::error!(exchange = %id, %error, "the outcome could not be recorded; the answer is withheld");
            let message = "The answer could not be recorded and is withheld.";
            Refusal::new(Code::InternalError, message).respond(operation.dialect(), id)
        }
    }
}

/// The head of a relayed answer.
fn head(exchange: &Exchange, status: StatusCode, upstream: &HeaderMap, with_cost: bool) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers::downstream(upstream);
    add_ours(response.headers_mut(), exchange, with_cost);
    response
}

/// Adds what we say of a dispatched exchange.
pub fn add_ours(headers: &mut HeaderMap, exchange: &Exchange, with_cost: bool) {
    let record = &exchange.record;
    let mut add = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    if !record.attempts.is_empty() {
        add("rungate-attempts", &record.attempts.len().to_string());
        add("rungate-provider", record.provider.as_deref().unwrap_or_default());
        if let Some(model) = &record.model {
            add("rungate-model", model);
        }
    }
    if let Some(cost) = record.cost.filter(|_| with_cost) {
        add("rungate-cost-nano-usd", &cost.nanos().to_string());
    }
    if let Some(cache) = record.cache {
        add("rungate-cache", if cache == CacheUse::Hit { "HIT" } else { "MISS" });
    }
    if let Some(trace) = &record.attribution.trace_id {
        add("alephant-trace-id", trace.as_str());
    }
    if let Some(standing) = &exchange.standing {
        add("x-ratelimit-limit", &standing.limit.to_string());
        add("x-ratelimit-remaining", &standing.remaining.to_string());
        add("x-ratelimit-reset", &standing.reset_seconds().to_string());
    }
    if !record.warnings.is_empty() {
        add("rungate-warning", &record.warnings.join(", "));
    }
}
