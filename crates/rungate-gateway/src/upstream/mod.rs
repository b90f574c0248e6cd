//! The way to providers: checked connections, and what is sent along them.

mod connector;
pub mod headers;
pub mod probe;

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::egress::{EgressError, EgressRules, host_of};
use connector::CheckedResolver;

/// How long each part of an exchange with a provider may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// From the request to the head of the answer.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
    /// The whole exchange.
    pub total: Duration,
}

/// A pooled client that connects to checked addresses only.
#[derive(Clone)]
pub struct Client {
    inner: HyperClient<HttpsConnector<HttpConnector<CheckedResolver>>, Full<Bytes>>,
    rules: Arc<EgressRules>,
    timeouts: Timeouts,
}

/// Why no head of an answer came.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The address may not be connected to.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// No connection: nothing was sent.
    #[error("no connection: {0}")]
    Connect(String),
    /// The connection broke after the request was sent, or the answer was not HTTP.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// No head in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
}

/// The TLS set-up is impossible on this machine.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up: {0}")]
pub struct TlsError(#[from] rustls::Error);

impl Client {
    /// A client without connections yet.
    pub fn new(rules: Arc<EgressRules>, timeouts: Timeouts) -> Result<Self, TlsError> {
        let mut http = HttpConnector::new_with_resolver(CheckedResolver::new(Arc::clone(&rules)));
        http.set_nodelay(true);
        http.set_connect_timeout(Some(timeouts.connect));
        http.set_keepalive(Some(Duration::from_mins(1)));
        http.enforce_http(false);
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())?
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(http);
        let inner = HyperClient::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_mins(1))
            .pool_max_idle_per_host(256)
            .build(https);
        Ok(Self { inner, rules, timeouts })
    }

    /// How long things may take.
    pub const fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Sends a request and waits for the head of its answer, for so long. Dropping the future, or later the answer's body, cancels
    /// the request at once.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Response<Incoming>, SendError> {
        // A literal address never reaches the resolver, so it is checked here.
        if let Some(host) = host_of(request.uri())
            && let Ok(address) = host.parse()
        {
            self.rules.check_address(&host, address)?;
        }
        match tokio::time::timeout(patience, self.inner.request(request)).await {
            Err(_) => Err(SendError::Timeout(patience)),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(classify(&error)),
        }
    }
}

fn classify(error: &hyper_util::client::legacy::Error) -> SendError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    let mut text = String::new();
    while let Some(current) = cause {
        if let Some(egress) = current.downcast_ref::<EgressError>() {
            return SendError::Egress(egress.clone());
        }
        text = current.to_string();
        cause = current.source();
    }
    if error.is_connect() { SendError::Connect(text) } else { SendError::Broken(text) }
}
