//! One request from its head to the head of its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::anthropic::{count_tokens, messages};
use crate::call::{Answer, Call};
use crate::directives::{Directives, Instead};
use crate::event::Event;
use crate::openai::{audio, chat, completions, embeddings, images, models, moderations, responses};
use crate::refusal::{Refusal, unnamed_error_event};
use crate::route::{Dialect, Route};
use crate::script::{Link, Script};
use crate::sim::Sim;
use crate::stats::InFlight;
use crate::{auth, multipart};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html");
const GARBAGE: &str = "<<<this is not JSON>>>";

/// Answers one request; `link` belongs to its connection.
pub(crate) async fn handle(sim: &Sim, link: &Arc<Link>, request: Request<Incoming>) -> Response<Script> {
    let (parts, body) = request.into_parts();
    if let Some(hook) = parts.uri.path().strip_prefix("/sim/") {
        return hooked(sim, link, &parts.method, hook, body).await;
    }
    let (route, id) = Route::find(&parts.method, parts.uri.path());
    let dialect = match route {
        Route::Models | Route::Model if is_anthropic(&parts) => Dialect::Anthropic,
        _ => route.dialect(),
    };
    let exchange = Exchange { sim, link, route, dialect, request_id: sim.id("req_") };
    let Ok(body) = Limited::new(body, sim.config.max_body_bytes).collect().await else {
        let message = "The request body is too large or was cut short.";
        return exchange.refuse(&Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    };
    let body = body.to_bytes();
    sim.stats.record(route, &parts, &body);
    if route == Route::Unknown {
        let message = format!("Invalid URL ({} {})", parts.method, parts.uri.path());
        return exchange.refuse(&Refusal::new(StatusCode::NOT_FOUND, message));
    }
    if let Err(refusal) = auth::check(&parts.headers, dialect) {
        return exchange.refuse(&refusal);
    }
    match exchange.perform(&parts, id, &body).await {
        Ok(response) => response,
        Err(refusal) => exchange.refuse(&refusal),
    }
}

/// What tests ask for beside the provider's own routes.
async fn hooked(
    sim: &Sim,
    link: &Arc<Link>,
    method: &Method,
    hook: &str,
    body: Incoming,
) -> Response<Script> {
    let (status, answer) = match (method.as_str(), hook) {
        ("GET", "stats") => (StatusCode::OK, sim.stats.report()),
        ("POST", "reset") => {
            sim.reset();
            (StatusCode::OK, json!({}))
        }
        ("POST", "directives") => {
            let words = Limited::new(body, 4096).collect().await.map(http_body_util::Collected::to_bytes);
            let words = words.unwrap_or_default();
            match Directives::parse(String::from_utf8_lossy(&words).trim()) {
                Ok(directives) => {
                    sim.set_defaults(directives);
                    (StatusCode::OK, json!({}))
                }
                Err(error) => (StatusCode::BAD_REQUEST, json!({"error": error.to_string()})),
            }
        }
        _ => (StatusCode::NOT_FOUND, json!({"error": "unknown hook"})),
    };
    response(status, JSON, Script::whole(answer.to_string().into(), link))
}

fn is_anthropic(parts: &Parts) -> bool {
    parts.headers.contains_key("anthropic-version")
}

fn response(status: StatusCode, content_type: HeaderValue, body: Script) -> Response<Script> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// One request to a route of the provider.
struct Exchange<'a> {
    sim: &'a Sim,
    link: &'a Arc<Link>,
    route: Route,
    dialect: Dialect,
    request_id: String,
}

impl Exchange<'_> {
    async fn perform(&self, parts: &Parts, id: &str, body: &Bytes) -> Result<Response<Script>, Refusal> {
        let json = parse(parts, body)?;
        let model = json.get("model").and_then(Value::as_str).unwrap_or_default();
        if model.chars().any(char::is_control) {
            return Err(Refusal::invalid("model", "A model name has no control characters."));
        }
        let directives = self.sim.defaults().of_model(model).map_err(|error| {
            Refusal::invalid("model", format!("{error} in the model name `{model}`"))
                .with_code("invalid_directive")
        })?;
        let in_flight = InFlight::new(&self.sim.stats);
        if !directives.latency.is_zero() {
            tokio::time::sleep(directives.latency).await;
        }
        let is_stream = json.get("stream") == Some(&Value::Bool(true));
        let is_due = directives.fail.is_none_or(|count| self.sim.is_among_first(model, count));
        if let Some(instead) = directives.instead.filter(|_| is_due) {
            let answered = self.instead(instead, model, &directives, is_stream).await;
            in_flight.finish();
            return Ok(answered);
        }
        let call = Call {
            sim: self.sim,
            body: &json,
            body_bytes: body.len(),
            model,
            directives: &directives,
            id,
            query: parts.uri.query().unwrap_or_default(),
            is_anthropic: self.dialect == Dialect::Anthropic,
        };
        let answer = match self.answer(&call) {
            Ok(answer) => answer,
            Err(refusal) => {
                in_flight.finish();
                return Err(refusal);
            }
        };
        Ok(self.play(answer, &directives, in_flight.with_head()))
    }

    fn answer(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        match self.route {
            Route::Chat => chat::answer(call),
            Route::Completions => completions::answer(call),
            Route::Embeddings => embeddings::answer(call),
            Route::Moderations => moderations::answer(call),
            Route::ResponseCreate => responses::create(call),
            Route::ResponseGet => responses::get(call),
            Route::ResponseDelete => responses::delete(call),
            Route::ResponseCancel => responses::cancel(call),
            Route::ResponseInputItems => responses::input_items(call),
            Route::ImageGenerations | Route::ImageEdits | Route::ImageVariations => images::answer(call),
            Route::Speech => audio::speech(call),
            Route::Transcriptions | Route::Translations => audio::transcription(call),
            Route::Models => Ok(models::list(call)),
            Route::Model => models::get(call),
            Route::Messages => messages::answer(call),
            Route::CountTokens => count_tokens::answer(call),
            Route::Unknown => Err(Refusal::new(StatusCode::NOT_FOUND, "Invalid URL")),
        }
    }

    fn play(&self, answer: Answer, directives: &Directives, in_flight: InFlight) -> Response<Script> {
        let (content_type, script) = match answer {
            Answer::Events(events) => {
                let error = |sent| self.error_event(sent);
                (EVENT_STREAM, Script::stream(events, error, directives, self.link, in_flight))
            }
            Answer::Json(body) => {
                (JSON, Script::body(body.to_string().into(), directives, self.link, in_flight))
            }
            Answer::Raw(content_type, body) => {
                (HeaderValue::from_static(content_type), Script::body(body, directives, self.link, in_flight))
            }
        };
        let mut response = response(StatusCode::OK, content_type, script);
        self.mark(&mut response, directives);
        response
    }

    /// What a failure after `sent` events looks like.
    fn error_event(&self, sent: usize) -> Event {
        match self.route {
            Route::Messages => messages::error_event(),
            Route::ResponseCreate | Route::ResponseGet => responses::error_event(sent),
            _ => unnamed_error_event(),
        }
    }

    async fn instead(
        &self,
        instead: Instead,
        model: &str,
        directives: &Directives,
        is_stream: bool,
    ) -> Response<Script> {
        let plain = |status, content_type, body: String| {
            let mut response = response(status, content_type, Script::whole(body.into(), self.link));
            self.mark(&mut response, directives);
            response
        };
        match instead {
            Instead::Hang => std::future::pending().await,
            Instead::UnknownModel => self.refuse(&models::unknown(model)),
            Instead::Error(status) => {
                let message = format!("The simulated provider was asked to answer {}.", status.as_u16());
                let refusal = Refusal::new(status, message);
                self.refuse(&Refusal { retry_after: directives.retry_after, ..refusal })
            }
            Instead::Redirect => {
                let mut response = plain(StatusCode::FOUND, HTML, String::new());
                response
                    .headers_mut()
                    .insert(LOCATION, HeaderValue::from_static("https://example.com/elsewhere"));
                response
            }
            Instead::Html => {
                let page =
                    "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>";
                plain(StatusCode::BAD_GATEWAY, HTML, page.into())
            }
            Instead::Garbage if is_stream => {
                plain(StatusCode::OK, EVENT_STREAM, format!("data: {GARBAGE}\n\ndata: {GARBAGE}\n\n"))
            }
            Instead::Garbage => plain(StatusCode::OK, JSON, GARBAGE.into()),
        }
    }

    fn refuse(&self, refusal: &Refusal) -> Response<Script> {
        let body = refusal.body(self.dialect, &self.request_id).to_string();
        let mut response = response(refusal.status, JSON, Script::whole(body.into(), self.link));
        self.mark(&mut response, &Directives::default());
        if let Some(seconds) = refusal.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    /// Adds the headers that the provider adds to everything.
    fn mark(&self, response: &mut Response<Script>, directives: &Directives) {
        let marks: &[(&'static str, &'static str)] = match self.dialect {
            Dialect::OpenAi => &[
                ("openai-organization", "org-sim"),
                ("openai-version", "2020-10-01"),
                ("x-ratelimit-limit-requests", "10000"),
                ("x-ratelimit-limit-tokens", "2000000"),
                ("x-ratelimit-remaining-requests", "9999"),
                ("x-ratelimit-remaining-tokens", "1999900"),
                ("x-ratelimit-reset-requests", "6ms"),
                ("x-ratelimit-reset-tokens", "3ms"),
            ],
            Dialect::Anthropic => &[
                ("anthropic-organization-id", "00000000-0000-4000-8000-00000000051a"),
                ("anthropic-ratelimit-requests-limit", "4000"),
                ("anthropic-ratelimit-requests-remaining", "3999"),
                ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:01Z"),
                ("anthropic-ratelimit-tokens-limit", "400000"),
                ("anthropic-ratelimit-tokens-remaining", "399000"),
                ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:01Z"),
            ],
        };
        let headers = response.headers_mut();
        for (name, value) in marks {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        let id_header = match self.dialect {
            Dialect::OpenAi => "x-request-id",
            Dialect::Anthropic => "request-id",
        };
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            headers.insert(id_header, id);
        }
        if self.dialect == Dialect::OpenAi {
            let ms = u64::try_from(directives.latency.as_millis()).unwrap_or(u64::MAX).max(1);
            headers.insert("openai-processing-ms", ms.into());
        }
    }
}

/// The body as JSON, or the form that stands for it.
fn parse(parts: &Parts, body: &Bytes) -> Result<Value, Refusal> {
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/form-data") {
        return multipart::parse(&parts.headers, body)
            .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "Could not parse multipart form."));
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|error| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            format!("We could not parse the JSON body of your request: {error}"),
        )
    })
}
