//! Relays an error of the provider: as it is where it concerns the client, under our own code where it concerns the
//! operator.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::response::Parts;
use http::{HeaderMap, Response};
use hyper::body::Incoming;
use rungate_core::code::Code;
use rungate_core::exchange::Outcome;
use rungate_core::operation::Dialect;
use rungate_llm::meter::Report;
use serde::Deserialize;
use serde_json::json;

use super::{Plan, add_ours, close, fail, whole};
use crate::body::Body;
use crate::exchange::{Charge, Exchange};
use crate::memory::Room;
use crate::refusal::{ERROR_CODE, Refusal};
use crate::stage::dispatch::Failure;
use crate::upstream::headers;

/// More of an error is not relayed.
const MAX_ERROR_BYTES: usize = 1 << 20;

/// Relays the last attempt's error.
pub async fn relay(mut exchange: Exchange, plan: Plan, head: Parts, body: Incoming) -> Response<Body> {
    if let Some(refusal) = operators_own(&plan, head.status.as_u16()) {
        return fail(exchange, plan.operation, Failure { refusal, charge: Charge::Nothing }).await;
    }
    let collected =
        whole::collect(&plan, &mut Room::default(), body, MAX_ERROR_BYTES).await.unwrap_or_default();
    exchange.first_byte();
    let status = head.status.as_u16();
    let dialect = plan.operation.dialect();
    let relayed = relayable(&plan, status, &collected);
    let (bytes, message) = if let Some((bytes, message)) = relayed {
        (bytes, message)
    } else {
        let refusal = wrapped(&plan, status);
        (refusal.body_for_status(dialect, exchange.record.id, status), refusal.message)
    };
    exchange.fail(Code::UpstreamError, &message);
    exchange.settle(Charge::Nothing, &Report::default());
    exchange.keep_response(&bytes, false);
    exchange.record.response_bytes = bytes.len() as u64;
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = head.status;
    let answer = response.headers_mut();
    *answer = headers::downstream(&head.headers);
    answer.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.insert(ERROR_CODE, HeaderValue::from_static(Code::UpstreamError.as_str()));
    keep_retry_after(answer, &head.headers, status);
    add_ours(answer, &exchange, false);
    close(exchange, Outcome::UpstreamFailed, status, plan.operation, response).await
}

/// Errors about the operator's key or address are not the client's to see.
fn operators_own(plan: &Plan, status: u16) -> Option<Refusal> {
    let name = plan.candidate.access.provider.name;
    let (code, message) = match status {
        401 => (Code::ProviderAuthFailed, format!("{name} refused the provider key.")),
        402 => (Code::ProviderQuotaExhausted, format!("The account at {name} has no funds or quota left.")),
        403 => (Code::ProviderForbidden, format!("{name} forbids this to the provider key.")),
        ..200 | 300..=399 | 407 | 600.. => (
            Code::UpstreamInvalidResponse,
            format!("{name} answered with status {status}, which is not taken over."),
        ),
        _ => return None,
    };
    Some(Refusal::new(code, message))
}

fn keep_retry_after(answer: &mut HeaderMap, upstream: &HeaderMap, status: u16) {
    if let Some(value) = upstream.get(RETRY_AFTER).filter(|_| matches!(status, 429 | 503)) {
        answer.insert(RETRY_AFTER, value.clone());
        // This one is whole seconds by contract; the other may be a date.
        if status == 429 && headers::retry_after(upstream).is_some() {
            answer.insert("x-ratelimit-after", value.clone());
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorMember,
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct ErrorMember {
    #[serde(default)]
    message: Option<String>,
}

/// The provider's own body when the client can read it, with the error's message.
fn relayable(plan: &Plan, status: u16, body: &Bytes) -> Option<(Bytes, String)> {
    let secret = plan.candidate.access.secret.expose();
    if !secret.is_empty() && body.windows(secret.len()).any(|window| window == secret.as_bytes()) {
        return None;
    }
    let parsed: ErrorBody = serde_json::from_slice(body).ok()?;
    let message = parsed.error.message.unwrap_or_default();
    if let Some(bridge) = plan.candidate.serving.bridge {
        return Some((bridge.error(status, body)?, message));
    }
    let is_of_dialect = match plan.operation.dialect() {
        Dialect::OpenAi => true,
        Dialect::Anthropic => parsed.kind.as_deref() == Some("error"),
    };
    is_of_dialect.then(|| (body.clone(), message))
}

fn wrapped(plan: &Plan, status: u16) -> Refusal {
    let access = &plan.candidate.access;
    let message = format!("{} answered with status {status}.", access.provider.name);
    let details = json!({ "provider": access.provider.id, "status": status });
    Refusal::new(Code::UpstreamError, message).details(details)
}
