//! Stage 5: to the provider, and again where that is safe.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use rungate_core::code::Code;
use rungate_core::exchange::Attempt;
use rungate_core::money::NanoUsd;
use rungate_core::operation::Operation;
use rungate_llm::bridge::TranslateError;
use rungate_llm::request;

use crate::exchange::{Charge, Exchange};
use crate::refusal::Refusal;
use crate::routing::Candidate;
use crate::stage::parse::Parsed;
use crate::stage::reserve::Permit;
use crate::upstream::{Client, SendError, headers};

/// How often and how patiently a failed attempt is repeated.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// The first pause; it doubles with each attempt.
    pub pause: Duration,
    /// A provider that asks for a longer pause than this is not waited for.
    pub max_pause: Duration,
}

/// A request as it is sent to the provider.
pub struct Outgoing {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// Why no answer can be relayed, and what is certain of the cost.
pub struct Failure {
    /// What the client is told.
    pub refusal: Refusal,
    /// What was spent.
    pub charge: Charge,
}

/// Makes the provider's request out of the client's. Adds warnings to the exchange for what is left out.
pub fn prepare(
    exchange: &mut Exchange,
    parsed: &Parsed,
    candidate: &Candidate,
    path_id: Option<&str>,
    client_headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Outgoing, Refusal> {
    let access = &candidate.access;
    let serving = candidate.serving;
    let Some(url) = access.provider.url(access.key.base_url.as_deref(), serving.operation, path_id, query)
    else {
        return Err(Refusal::new(
            Code::ProviderKeyMissing,
            "The provider key has no address: set its baseUrl.",
        ));
    };
    let uri = url
        .parse()
        .map_err(|_| Refusal::new(Code::ProviderKeyMissing, "The provider key's baseUrl is no URL."))?;
    let headers = headers::upstream(client_headers, access, serving.bridge.is_some())
        .map_err(|error| Refusal::new(Code::ProviderKeyMissing, error.to_string()))?;
    let is_chat = matches!(parsed.operation, Operation::ChatCompletions | Operation::Completions);
    let ask_usage = is_chat && parsed.scan.stream && access.provider.stream_usage;
    let body = match serving.bridge {
        Some(bridge) => {
            let model = candidate.model.as_deref().unwrap_or_default();
            let translated = bridge
                .request(&parsed.body, model, access.provider.stream_usage)
                .map_err(|error| untranslatable(&error))?;
            for field in &translated.dropped {
                exchange.warn(&format!("parameter_dropped;name={field}"));
            }
            translated.body
        }
        None if parsed.operation.has_no_body() => Bytes::new(),
        None => request::rewrite(&parsed.body, &parsed.scan, candidate.model.as_deref(), ask_usage),
    };
    let method = match parsed.operation {
        Operation::ResponseGet | Operation::ResponseInputItems => Method::GET,
        Operation::ResponseDelete => Method::DELETE,
        _ => Method::POST,
    };
    Ok(Outgoing { method, uri, headers, body })
}

fn untranslatable(error: &TranslateError) -> Refusal {
    let (code, field) = match error {
        TranslateError::Unsupported { field, .. } => (Code::UnsupportedParameter, field),
        TranslateError::Invalid { field, .. } => (Code::InvalidParameter, field),
    };
    Refusal::new(code, error.to_string()).param(field.clone())
}

/// Sends the request until a head came that is to be relayed. The exchange must be open: `permit` and the journal's
/// opening come first.
pub async fn dispatch(
    permit: &Permit,
    exchange: &mut Exchange,
    client: &Client,
    outgoing: &Outgoing,
    candidate: &Candidate,
    retries: Retries,
) -> Result<Response<Incoming>, Failure> {
    let patience = client.timeouts().first_byte;
    let mut number = 0;
    loop {
        number += 1;
        let Tried { sent, retry_after, is_repeatable, .. } =
            attempt(permit, exchange, client, outgoing, candidate, patience).await;
        if !is_repeatable || number >= retries.max_attempts {
            return sent.map_err(|error| failure(&error, candidate));
        }
        let Some(pause) = retries.pause_before(number, retry_after, exchange) else {
            return sent.map_err(|error| failure(&error, candidate));
        };
        drop(sent);
        exchange.left_behind(Some(NanoUsd::ZERO));
        tokio::time::sleep(pause).await;
    }
}

/// What came of one attempt.
pub struct Tried {
    /// The head of the answer, or why there is none.
    pub sent: Result<Response<Incoming>, SendError>,
    /// Until then.
    pub took: Duration,
    /// For how many seconds the provider asks to be left alone.
    pub retry_after: Option<u64>,
    /// Whether it certainly cost nothing and may go better next time.
    is_repeatable: bool,
}

/// Sends the request once and waits for the head of its answer, for so long. What came of it is on the record.
pub async fn attempt(
    _permit: &Permit,
    exchange: &mut Exchange,
    client: &Client,
    outgoing: &Outgoing,
    candidate: &Candidate,
    patience: Duration,
) -> Tried {
    exchange.dispatched(Attempt {
        provider: candidate.access.provider.id.to_owned(),
        model: candidate.model.clone(),
        provider_key_id: candidate.access.key.id(),
        status: None,
        upstream_request_id: None,
        latency_ms: 0,
        error_code: None,
        cost: None,
    });
    let sent = client.send(outgoing.request(), patience).await;
    let Verdict { is_repeatable, owed, code, retry_after } = judge(&sent);
    let took = exchange.came(owed, |attempt| {
        if let Ok(response) = &sent {
            attempt.status = Some(response.status().as_u16());
            attempt.upstream_request_id = headers::request_id(response.headers());
        }
        attempt.error_code = code;
    });
    Tried { sent, took, retry_after, is_repeatable }
}

struct Verdict {
    is_repeatable: bool,
    owed: Charge,
    code: Option<Code>,
    retry_after: Option<u64>,
}

/// Repeated are attempts that certainly cost nothing: no connection, or an answer that says "not now".
fn judge(sent: &Result<Response<Incoming>, SendError>) -> Verdict {
    match sent {
        Ok(response) => {
            let status = response.status().as_u16();
            let is_repeatable = matches!(status, 429 | 500 | 502 | 503 | 504 | 529);
            let (owed, code) = if response.status().is_success() {
                (Charge::Unknown, None)
            } else {
                (Charge::Nothing, Some(Code::UpstreamError))
            };
            Verdict { is_repeatable, owed, code, retry_after: headers::retry_after(response.headers()) }
        }
        Err(error) => Verdict {
            is_repeatable: matches!(error, SendError::Connect(_)),
            owed: charge_of(error),
            code: Some(code_of(error)),
            retry_after: None,
        },
    }
}

const fn charge_of(error: &SendError) -> Charge {
    match error {
        SendError::Egress(_) | SendError::Connect(_) => Charge::Nothing,
        SendError::Broken(_) | SendError::Timeout(_) => Charge::Unknown,
    }
}

const fn code_of(error: &SendError) -> Code {
    match error {
        SendError::Egress(_) => Code::EgressDenied,
        SendError::Connect(_) | SendError::Broken(_) => Code::UpstreamUnreachable,
        SendError::Timeout(_) => Code::UpstreamTimeout,
    }
}

/// What an attempt without an answer comes to.
pub fn failure(error: &SendError, candidate: &Candidate) -> Failure {
    let name = candidate.access.provider.name;
    let message = match error {
        SendError::Egress(error) => format!("{name} may not be connected to: {error}."),
        SendError::Connect(_) => format!("{name} could not be reached."),
        SendError::Broken(_) => format!("The connection to {name} broke before an answer came."),
        SendError::Timeout(patience) => format!("{name} did not answer within {} s.", patience.as_secs()),
    };
    tracing::warn!(provider = candidate.access.provider.id, %error, "provider failed");
    Failure { refusal: Refusal::new(code_of(error), message), charge: charge_of(error) }
}

impl Outgoing {
    /// The body as it is sent.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Where it goes.
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The headers that it goes with.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Lowers the limit on the output of each answer to `most`.
    pub fn limit_output(&mut self, candidate: &Candidate, most: u64) {
        let provider = candidate.access.provider;
        let model = candidate.model.as_deref().unwrap_or_default();
        let lowered = request::lower_output_limit(
            candidate.serving.operation,
            &self.body,
            model,
            provider.completion_tokens,
            most,
        );
        if let Some(body) = lowered {
            self.body = body;
        }
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl Retries {
    /// The pause before the next attempt; `None` when the provider asks for more than we wait.
    pub fn pause_before(
        &self,
        number: u32,
        retry_after: Option<u64>,
        exchange: &Exchange,
    ) -> Option<Duration> {
        if let Some(seconds) = retry_after {
            let asked = Duration::from_secs(seconds);
            return (asked <= self.max_pause).then_some(asked);
        }
        let doubled = self.pause.saturating_mul(1 << (number - 1).min(10)).min(self.max_pause);
        // Up to half as long again, so that clients which failed together do not come back together.
        let random = u32::from(exchange.record.id.uuid().as_bytes()[15]);
        Some(doubled + doubled * random / 512)
    }
}
