//! Relays an answer that comes in one piece.

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rungate_core::code::Code;
use rungate_core::exchange::Outcome;
use rungate_llm::meter::Meter;
use tokio::time::Instant;

use super::{Plan, add_ours, close, fail, head as head_of};
use crate::body::Body;
use crate::exchange::{Charge, Exchange};
use crate::memory::Room;
use crate::refusal::Refusal;
use crate::stage::dispatch::Failure;
use crate::stage::{cache, govern};

/// Relays a success.
pub async fn relay(mut exchange: Exchange, plan: Plan, head: Parts, body: Incoming) -> Response<Body> {
    let mut room = Room::default();
    let collected = match collect(&plan, &mut room, body, usize::MAX).await {
        Ok(bytes) => bytes,
        Err(failure) => return Box::pin(fail(exchange, plan.operation, failure)).await,
    };
    exchange.first_byte();
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut meter = Meter::new(plan.candidate.serving.operation);
    if meter.whole(content_type, &collected).is_err() {
        return Box::pin(fail(exchange, plan.operation, garbage(&plan))).await;
    }
    let bytes = match plan.candidate.serving.bridge {
        None => collected,
        Some(bridge) => match bridge.answer(&collected, &plan.context()) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(exchange = %exchange.record.id, %error, "answer cannot be translated");
                return Box::pin(fail(exchange, plan.operation, garbage(&plan))).await;
            }
        },
    };
    let (bytes, refusal) = match govern::filter_answer(&mut exchange, content_type, &bytes) {
        Ok(None) => (bytes, None),
        Ok(Some(filtered)) => {
            // Others may get it as it was made, and this is not what is kept.
            exchange.ticket = None;
            (Bytes::from(filtered), None)
        }
        Err(refusal) => {
            // Its beginning is not to be read in the log either.
            exchange.capture.omit_response = true;
            (Bytes::new(), Some(refusal))
        }
    };
    exchange.record.stream = false;
    exchange.settle(Charge::AsReported, meter.report());
    if refusal.is_none() {
        let content_type = head.headers.get(CONTENT_TYPE);
        cache::keep_whole(&mut exchange, &bytes, content_type, plan.operation, meter.report());
    }
    exchange.keep_response(&bytes, false);
    exchange.record.response_bytes = bytes.len() as u64;
    if exchange.record.usage_source == rungate_core::usage::UsageSource::Estimated {
        exchange.warn("usage_estimated");
    }
    if let Some(refusal) = refusal {
        // The answer was paid for, and nobody gets it.
        exchange.fail(refusal.code, &refusal.message);
        let mut response = refusal.respond(plan.operation.dialect(), exchange.record.id);
        add_ours(response.headers_mut(), &exchange, true);
        return close(exchange, Outcome::Refused, refusal.code.status(), plan.operation, response).await;
    }
    let status = head.status;
    // A client that reads slowly holds the answer's bytes, and with them their room.
    let bytes = room.around(bytes);
    let response = head_of(&exchange, status, &head.headers, true).map(|()| Body::from(bytes));
    close(exchange, Outcome::Succeeded, status.as_u16(), plan.operation, response).await
}

fn garbage(plan: &Plan) -> Failure {
    let message = format!(
        "{} answered with something that is not its wire format.",
        plan.candidate.access.provider.name
    );
    Failure { refusal: Refusal::new(Code::UpstreamInvalidResponse, message), charge: Charge::Unknown }
}

/// Collects an answer's body: up to `limit` bytes, within the memory there is and the time there is.
pub async fn collect(
    plan: &Plan,
    room: &mut Room,
    mut body: Incoming,
    limit: usize,
) -> Result<Bytes, Failure> {
    let name = plan.candidate.access.provider.name;
    let failed =
        |code, message: String| Failure { refusal: Refusal::new(code, message), charge: Charge::Unknown };
    let mut bytes = BytesMut::new();
    loop {
        let silent_at = Instant::now() + plan.timeouts.idle;
        let Ok(frame) = tokio::time::timeout_at(silent_at.min(plan.deadline), body.frame()).await else {
            return Err(failed(
                Code::UpstreamTimeout,
                format!("{name} went silent in the middle of its answer, or took too long over it."),
            ));
        };
        let Some(frame) = frame else { return Ok(bytes.freeze()) };
        let Ok(frame) = frame else {
            let message = format!("The connection to {name} broke in the middle of its answer.");
            return Err(failed(Code::UpstreamInvalidResponse, message));
        };
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > limit {
            bytes.extend_from_slice(&data[..limit - bytes.len()]);
            return Ok(bytes.freeze());
        }
        if plan.pool.grow_patiently(room, length, plan.timeouts.idle).await.is_err() {
            let message = "The gateway has no memory for this answer.".to_owned();
            return Err(failed(Code::UpstreamInvalidResponse, message));
        }
        bytes.extend_from_slice(&data);
    }
}
