//! Gives an answer that is kept from an equal request.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AGE, CONTENT_TYPE};
use http::{HeaderValue, Response};
use rungate_core::code::Code;
use rungate_core::exchange::Outcome;
use rungate_core::operation::Operation;
use rungate_core::usage::{Usage, UsageSource};
use rungate_llm::meter::Report;

use super::{add_ours, screen};
use crate::body::{Body, BrokenOff, Source};
use crate::cache::{Answer, Found};
use crate::exchange::{Charge, Exchange};
use crate::refusal::Refusal;
use crate::stage::govern;

/// Gives it whole, or as the stream that it was. It is recorded before it leaves, at no cost.
pub async fn replay(mut exchange: Exchange, found: Found, operation: Operation) -> Response<Body> {
    let answer = found.answer();
    exchange.first_byte();
    let is_stream = answer.pieces.is_some();
    // What policies say of answers is asked anew for each client that gets one: it is kept as the provider made it.
    let refusal = if is_stream {
        screen::kept(&mut exchange, &answer.body).err()
    } else {
        let content_type = answer.content_type.as_ref().and_then(|value| value.to_str().ok());
        govern::filter_answer(&mut exchange, content_type, &answer.body).map(drop).err()
    };
    exchange.capture.omit_response |= refusal.is_some();
    let report = Report { model: answer.model.clone(), preview: answer.preview.clone(), ..Report::default() };
    exchange.settle(Charge::Nothing, &report);
    let record = &mut exchange.record;
    record.stream = is_stream;
    record.usage = Some(Usage::default());
    record.usage_source = UsageSource::Reported;
    record.cache_saved = answer.cost;
    record.response_bytes = answer.body.len() as u64;
    exchange.keep_response(&answer.body, false);
    if let Some(refusal) = refusal {
        exchange.fail(refusal.code, &refusal.message);
        let mut response = refusal.respond(operation.dialect(), exchange.record.id);
        add_ours(response.headers_mut(), &exchange, false);
        return recorded(exchange, Outcome::Refused, operation, response).await;
    }
    let body = if is_stream {
        Body::Streamed(Box::new(Replay { found: found.clone(), next: 0 }))
    } else {
        Body::from(answer.body.clone())
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Some(content_type) = &answer.content_type {
        headers.insert(CONTENT_TYPE, content_type.clone());
    }
    headers.insert(AGE, HeaderValue::from(found.age.as_secs()));
    add_ours(headers, &exchange, false);
    recorded(exchange, Outcome::Succeeded, operation, response).await
}

/// The answer, once its outcome is recorded. Where that is impossible now, the client may come again: nothing was spent.
async fn recorded(
    exchange: Exchange,
    outcome: Outcome,
    operation: Operation,
    response: Response<Body>,
) -> Response<Body> {
    let id = exchange.record.id;
    match exchange.close(outcome, response.status().as_u16()).await {
        Ok(()) => response,
        Err(error) => {
            tracing::warn!(exchange = %id, %error, "a kept answer is withheld: nothing can be recorded");
            let message = "The exchange cannot be recorded now; nothing was sent.";
            Refusal::new(Code::JournalUnavailable, message).respond(operation.dialect(), id)
        }
    }
}

/// A kept stream, piece by piece as it came.
struct Replay {
    found: Found,
    next: usize,
}

impl Source for Replay {
    fn poll_next(&mut self, _context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let Answer { body, pieces, .. } = self.found.answer();
        let ends = pieces.as_deref().unwrap_or_default();
        let Some(end) = ends.get(self.next) else { return Poll::Ready(None) };
        let start = self.next.checked_sub(1).map_or(0, |last| ends[last]);
        self.next += 1;
        Poll::Ready(Some(Ok(body.slice(start..*end))))
    }
}
