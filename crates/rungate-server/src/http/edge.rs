//! The one function that every request goes through, and what holds for every response: `alephant-id`, the echo of
//! `x-request-id`, JSON for unknown paths, an answer even to a panic.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use http::header::{ALLOW, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use rungate_core::code::Code;
use rungate_core::ports::{Clock, Entropy};
use rungate_gateway::arrival::Arrival;
use rungate_gateway::body::Body;
use rungate_gateway::refusal::Refusal;
use rungate_gateway::route::{self, NoRoute, Route};
use tower::ServiceExt as _;

use crate::http::anonymous::{AnonymousRefusals, Note};
use crate::http::arrival::{self, REQUEST_ID, TrustedProxies};
use crate::http::body::EdgeBody;
use crate::http::health::Stage;
use crate::http::operations::{self, Operations, Page};
use crate::http::plane::{Plane, code_of};

/// The exchange's id on every response.
pub const EXCHANGE_ID: HeaderName = HeaderName::from_static("alephant-id");
/// What the client should know although its request was served.
pub const WARNING: HeaderName = HeaderName::from_static("rungate-warning");

const REQUEST_ID_MALFORMED: &str = "x_request_id_malformed";

/// Serves the routes of the data plane.
pub trait DataPlane: Send + Sync + 'static {
    /// Answers a request of one of its routes.
    fn handle(
        &self,
        arrival: Arrival,
        route: Route,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// What is dropped from now on is dropped by us, not left by its client: shutdown cuts what is in flight.
    fn cut(&self);
}

/// Sees every response as it leaves.
pub trait Witness: Send + Sync {
    /// A response's head is ready.
    fn answered(&self, family: RouteFamily, status: StatusCode, code: Option<Code>, took: Duration);
}

/// The families that requests are counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteFamily {
    /// Calls to models.
    Data,
    /// Everything that the control plane's router knows.
    Control,
    /// Health, metrics, the API document, the front page.
    Operations,
}

/// The edge.
pub struct Edge<D> {
    /// The data plane.
    pub data_plane: D,
    /// The control plane, its fallbacks set by [`with_fallbacks`].
    pub control_plane: Router,
    /// The routes for operators.
    pub operations: Operations,
    /// Whose word counts about the client's address.
    pub proxies: TrustedProxies,
    /// Counts responses.
    pub witness: Arc<dyn Witness>,
    /// Bounds what is written of refusals that nobody can be named for.
    pub anonymous: AnonymousRefusals,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids.
    pub entropy: Arc<dyn Entropy>,
}

impl<D: DataPlane> Edge<D> {
    /// Answers one request from `peer`.
    pub async fn serve(&self, peer: IpAddr, request: Request<Incoming>) -> Response<EdgeBody> {
        let arrival = arrival::note(peer, request.headers(), &self.proxies, &*self.clock, &*self.entropy);
        let stamp = Stamp::of(&arrival);
        let (id, started, client) = (arrival.id, arrival.started, arrival.client_ip);
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (plane, route) =
            (Plane::of(request.uri().path()), route::find(request.method(), request.uri().path()));
        let family = RouteFamily::of(&route, request.uri().path());
        // On the heap and gone with the head of the response: a connection keeps room for the future of its service for as
        // long as it lives, however long the body streams.
        let answer = Box::pin(self.answer(plane, arrival, route, request));
        let mut response = match unwound(answer).await {
            Some(response) => response,
            None => plane
                .respond(
                    &Refusal::new(
                        Code::InternalError,
                        "the gateway failed; nothing is known to be wrong with the request",
                    ),
                    id,
                )
                .map(EdgeBody::gateway),
        };
        stamp.apply(&mut response);
        let took = self.clock.monotonic().saturating_sub(started);
        let code = code_of(&response);
        self.witness.answered(family, response.status(), code, took);
        if let Some(code) = code.filter(|code| AnonymousRefusals::is_one(*code))
            && let Note::Write { left_out } = self.anonymous.note(self.clock.now())
        {
            let path = shortened(uri.path());
            tracing::info!(exchange = %id, %client, %method, path, %code, left_out, "refused before identification");
        }
        response
    }

    async fn answer(
        &self,
        plane: Plane,
        arrival: Arrival,
        route: Result<Route, NoRoute>,
        request: Request<Incoming>,
    ) -> Response<EdgeBody> {
        let id = arrival.id;
        let refuse = |refusal: &Refusal| plane.respond(refusal, id);
        let (method, path) = (request.method(), request.uri().path());
        if method == Method::OPTIONS {
            return options(&route).map(EdgeBody::gateway);
        }
        if let Some(page) = Page::at(path) {
            let answer = self.operations.answer(page, method, request.headers()).unwrap_or_else(|refusal| {
                let mut response = refuse(&refusal);
                operations::complete(&mut response);
                response
            });
            return answer.map(EdgeBody::gateway);
        }
        if let Err(NoRoute::MethodNotAllowed(allow)) = route {
            let mut response = refuse(&Refusal::new(Code::MethodNotAllowed, format!("use {allow}")));
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
            return response.map(EdgeBody::gateway);
        }
        if self.operations.health.stage() == Stage::Recovering {
            let refusal = Refusal::new(Code::Unavailable, "the gateway is starting");
            return refuse(&refusal).map(EdgeBody::gateway);
        }
        match route {
            Ok(route) => self.data_plane.handle(arrival, route, request).await.map(EdgeBody::gateway),
            Err(_) => self.control(arrival, request).await,
        }
    }

    async fn control(&self, arrival: Arrival, request: Request<Incoming>) -> Response<EdgeBody> {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(arrival);
        let Ok(response) =
            self.control_plane.clone().oneshot(request).await.map_err(|never: Infallible| match never {});
        response.map(EdgeBody::control)
    }
}

impl RouteFamily {
    fn of(route: &Result<Route, NoRoute>, path: &str) -> Self {
        match route {
            Ok(_) | Err(NoRoute::MethodNotAllowed(_)) => Self::Data,
            Err(NoRoute::Unknown) if Page::at(path).is_some() => Self::Operations,
            Err(NoRoute::Unknown) => Self::Control,
        }
    }
}

/// Gives the control plane's router the answers to paths and methods it does not have.
pub fn with_fallbacks(router: Router) -> Router {
    router.fallback(unknown_path).method_not_allowed_fallback(method_not_allowed)
}

async fn unknown_path(request: axum::extract::Request) -> axum::response::Response {
    let plane = Plane::of(request.uri().path());
    let message = format!("there is no {} here", request.uri().path());
    refuse_in_router(&request, &Refusal::new(plane.unknown_path(), message))
}

async fn method_not_allowed(request: axum::extract::Request) -> axum::response::Response {
    let message = format!("{} is not a method of this path", request.method());
    refuse_in_router(&request, &Refusal::new(Code::MethodNotAllowed, message))
}

fn refuse_in_router(request: &axum::extract::Request, refusal: &Refusal) -> axum::response::Response {
    let id = request
        .extensions()
        .get::<Arrival>()
        .map_or_else(|| rungate_core::id::ExchangeId::new(uuid::Uuid::nil()), |arrival| arrival.id);
    Plane::of(request.uri().path()).respond(refusal, id).map(axum::body::Body::new)
}

/// What a client may do here, before anybody asks who it is.
fn options(route: &Result<Route, NoRoute>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Err(NoRoute::MethodNotAllowed(allow)) = route
        && let Ok(allow) = HeaderValue::from_str(&format!("{allow}, OPTIONS"))
    {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// The start of a path, for a log line.
fn shortened(path: &str) -> &str {
    path.char_indices().nth(200).map_or(path, |(end, _)| &path[..end])
}

/// Runs a handler; `None` when it panics, which the panic hook has logged.
async fn unwound<F: Future>(handler: F) -> Option<F::Output> {
    let mut handler = pin!(handler);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// The headers that every response carries.
struct Stamp {
    id: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
    request_id_malformed: bool,
}

impl Stamp {
    fn of(arrival: &Arrival) -> Self {
        let mut buffer = uuid::Uuid::encode_buffer();
        let id = arrival.id.uuid().hyphenated().encode_lower(&mut buffer);
        Self {
            id: HeaderValue::from_str(id).ok(),
            request_id: arrival.request_id.as_ref().and_then(|id| HeaderValue::from_str(id.as_str()).ok()),
            request_id_malformed: arrival.request_id_malformed,
        }
    }

    /// Wins over whatever a handler or an upstream set.
    fn apply<B>(self, response: &mut Response<B>) {
        let headers = response.headers_mut();
        if let Some(id) = self.id {
            headers.insert(EXCHANGE_ID, id);
        }
        match self.request_id {
            Some(id) => drop(headers.insert(REQUEST_ID, id)),
            None => drop(headers.remove(REQUEST_ID)),
        }
        if self.request_id_malformed {
            warn(headers);
        }
    }
}

/// Adds the warning to those that are there, in one list.
fn warn(headers: &mut http::HeaderMap) {
    let mut warnings: Vec<String> =
        headers.get_all(WARNING).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
    if !warnings.iter().any(|warning| warning.contains(REQUEST_ID_MALFORMED)) {
        warnings.push(REQUEST_ID_MALFORMED.to_owned());
    }
    if let Ok(list) = HeaderValue::from_str(&warnings.join(", ")) {
        headers.insert(WARNING, list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_022_the_warning_joins_others_once() {
        let mut headers = http::HeaderMap::new();
        headers.append(WARNING, HeaderValue::from_static("empty_header"));
        headers.append(WARNING, HeaderValue::from_static("unknown_header"));
        warn(&mut headers);
        warn(&mut headers);
        let all: Vec<_> = headers.get_all(WARNING).iter().collect();
        assert_eq!(all, ["empty_header, unknown_header, x_request_id_malformed"]);
    }
}
