//! A data plane whose answer the path of the request chooses, and a server around it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::header::HeaderValue;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use rungate_core::code::Code;
use rungate_core::operation::Dialect;
use rungate_gateway::arrival::Arrival;
use rungate_gateway::body::{Body, BrokenOff, Source};
use rungate_gateway::refusal::Refusal;
use rungate_gateway::route::Route;
use rungate_server::clock::{SystemClock, SystemEntropy};
use rungate_server::http::anonymous::AnonymousRefusals;
use rungate_server::http::arrival::TrustedProxies;
use rungate_server::http::edge::{DataPlane, Edge, RouteFamily, Witness, with_fallbacks};
use rungate_server::http::health::{Components, Health};
use rungate_server::http::listener::{self, ConnectionLimits};
use rungate_server::http::operations::{Instruments, MetricsAccess, Operations};
use rungate_server::http::tls;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Answers what the id in `/v1/models/{id}` asks for.
#[derive(Default)]
pub struct Scripted {
    /// The last arrival.
    pub seen: Mutex<Option<Arrival>>,
    /// A request for `wait` has come.
    pub waiting: Notify,
    /// Lets a request for `wait` go on.
    pub go: Notify,
    /// The body of an `endless` answer was dropped.
    pub dropped: Notify,
    /// What is in flight is being cut.
    pub was_cut: AtomicBool,
}

pub struct Plane(pub Arc<Scripted>);

impl DataPlane for Plane {
    fn cut(&self) {
        self.0.was_cut.store(true, Ordering::Relaxed);
    }

    async fn handle(&self, arrival: Arrival, _: Route, request: Request<Incoming>) -> Response<Body> {
        let id = arrival.id;
        *self.0.seen.lock().unwrap() = Some(arrival);
        match request.uri().path().strip_prefix("/v1/models/").unwrap_or_default() {
            "panic" => panic!("a handler's fault"),
            "upstream" => {
                let mut response = Response::new(Body::from(Bytes::from_static(b"{}")));
                response.headers_mut().insert("x-request-id", HeaderValue::from_static("the-upstreams"));
                response.headers_mut().insert("alephant-id", HeaderValue::from_static("forged"));
                response.headers_mut().insert("rungate-warning", HeaderValue::from_static("empty_header"));
                response
            }
            "stream" => Response::new(Body::Streamed(Box::new(Pieces(vec!["two", "one "])))),
            "broken" => Response::new(Body::Streamed(Box::new(Broken(Some("event: error\n\n"))))),
            "endless" => Response::new(Body::Streamed(Box::new(Endless(Arc::clone(&self.0))))),
            "wait" => {
                self.0.waiting.notify_one();
                self.0.go.notified().await;
                Response::new(Body::from(Bytes::from_static(b"late")))
            }
            status => {
                let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
                let code =
                    Code::ALL.iter().find(|code| Some(code.status()) == status.map(|status| status.as_u16()));
                match code {
                    Some(code) => Refusal::new(*code, "refused").respond(Dialect::OpenAi, id),
                    None => Response::new(Body::from(Bytes::from_static(b"{}"))),
                }
            }
        }
    }
}

struct Pieces(Vec<&'static str>);

impl Source for Pieces {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        Poll::Ready(self.0.pop().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))))
    }
}

struct Endless(Arc<Scripted>);

impl Source for Endless {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 16384]))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}

struct Broken(Option<&'static str>);

impl Source for Broken {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let last_words = self.0.take().map(|text| Bytes::from_static(text.as_bytes()));
        Poll::Ready(Some(last_words.ok_or(BrokenOff)))
    }
}

/// Remembers what it saw.
#[derive(Default)]
pub struct Seen(pub Mutex<Vec<(RouteFamily, u16, Option<Code>)>>);

impl Witness for Seen {
    fn answered(&self, family: RouteFamily, status: StatusCode, code: Option<Code>, _took: Duration) {
        self.0.lock().unwrap().push((family, status.as_u16(), code));
    }
}

async fn control_panics() -> &'static str {
    panic!("a control handler's fault")
}

struct NoInstruments;

impl Instruments for NoInstruments {
    fn components(&self) -> Components {
        Components::default()
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }
}

/// How a test's server differs from the usual one.
pub struct Setup {
    pub metrics: MetricsAccess,
    pub proxies: TrustedProxies,
    pub tls: bool,
    pub ready: bool,
    pub limits: ConnectionLimits,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            metrics: MetricsAccess::Open,
            proxies: TrustedProxies::default(),
            tls: false,
            ready: true,
            limits: ConnectionLimits {
                max_connections: 100,
                max_header_bytes: 64 << 10,
                header_read_timeout: Duration::from_secs(10),
                write_timeout: Duration::from_secs(10),
                shutdown_grace: Duration::from_secs(10),
            },
        }
    }
}

/// A running edge.
pub struct Running {
    pub address: SocketAddr,
    pub plane: Arc<Scripted>,
    pub seen: Arc<Seen>,
    pub health: Arc<Health>,
    pub stop: CancellationToken,
    pub served: JoinHandle<()>,
}

pub const CERT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/localhost.crt");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/localhost.key");

impl Setup {
    pub async fn start(self) -> Running {
        let plane = Arc::new(Scripted::default());
        let seen = Arc::new(Seen::default());
        let health = Arc::new(Health::default());
        if self.ready {
            health.ready();
        }
        let control = Router::new()
            .route("/api/v1/agents", get(|| async { "agents" }))
            .route("/api/v1/panic", get(control_panics));
        let edge = Arc::new(Edge {
            data_plane: Plane(Arc::clone(&plane)),
            control_plane: with_fallbacks(control),
            operations: Operations {
                health: Arc::clone(&health),
                instruments: Arc::new(NoInstruments),
                metrics: self.metrics,
                openapi: Bytes::from_static(br#"{"openapi":"3.1.0"}"#),
            },
            proxies: self.proxies,
            witness: seen.clone(),
            anonymous: AnonymousRefusals::default(),
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(SystemEntropy::open().unwrap()),
        });
        let tls = self.tls.then(|| tls::acceptor(CERT.as_ref(), KEY.as_ref()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(listener::serve(listener, edge, self.limits, tls, stop.clone()));
        Running { address, plane, seen, health, stop, served }
    }
}
