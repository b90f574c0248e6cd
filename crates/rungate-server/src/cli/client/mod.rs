//! The client of the commands that ask a running server: its public HTTP API and nothing else.

mod download;
mod error;
mod query;

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rungate_core::secret::Secret;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use download::{DownloadError, download};
pub use error::ClientError;
pub use query::{Query, encode};

use error::{innermost, is_of_tls};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole answer of the API.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The most rows that a page may have.
const MAX_PAGE: usize = 200;

/// Which server a command asks, and as whom.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct Target {
    /// Address of the server
    #[arg(long, value_name = "URL", env = "RUNGATE_URL", default_value = "http://127.0.0.1:8787")]
    pub url: String,
    /// Owner token or personal access token
    #[arg(long, value_name = "TOKEN", env = "RUNGATE_TOKEN", hide_env_values = true, value_parser = secret)]
    pub token: Option<Secret>,
}

/// Reads a token from a flag or variable.
pub fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.trim().to_owned()))
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Rows of a list.
#[derive(Debug)]
pub struct Listed {
    /// As the API gives them.
    pub rows: Vec<Value>,
    /// Whether there are others.
    pub more: bool,
}

impl Listed {
    /// The rows as what the commands show of them.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>, ClientError> {
        self.rows.iter().map(read).collect()
    }
}

/// A part of an answer as what the commands show of it.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, ClientError> {
    T::deserialize(value).map_err(|error| ClientError::Unreadable(error.to_string()))
}

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Client {
    http: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Without a final slash.
    url: String,
    token: Option<Secret>,
}

impl Client {
    /// A client without connections yet. A certificate is checked against the machine's own roots, which the variables
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` replace.
    pub fn new(url: &str, token: Option<Secret>) -> Result<Self, ClientError> {
        let url = base(url)?;
        let connector = connector(url.starts_with("https:"))?;
        Ok(Self { http: HyperClient::builder(TokioExecutor::new()).build(connector), url, token })
    }

    /// A client of a command's target.
    pub fn of(target: &Target) -> Result<Self, ClientError> {
        // A variable that is set to nothing is not set.
        Self::new(&target.url, target.token.clone().filter(|token| !token.expose().is_empty()))
    }

    /// The same server with another credential.
    pub fn with_token(&self, token: Secret) -> Self {
        Self { token: Some(token), ..self.clone() }
    }

    /// The server, without a final slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether there is a credential to send.
    pub const fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The `data` of an answer of the control API. `path` starts with `/` and may have a query.
    pub async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.data(Method::GET, path, None).await
    }

    /// The newest `limit` rows of a list, over as many pages as that takes.
    pub async fn list(&self, query: &Query, limit: usize) -> Result<Listed, ClientError> {
        let mut listed = Listed { rows: Vec::new(), more: true };
        let mut cursor: Option<String> = None;
        while listed.more && listed.rows.len() < limit {
            let mut page = query.clone().with("limit", (limit - listed.rows.len()).min(MAX_PAGE));
            if let Some(cursor) = &cursor {
                page = page.with("cursor", cursor);
            }
            let mut data = self.get(page.as_str()).await?;
            let Value::Array(rows) = data["data"].take() else {
                return Err(ClientError::Foreign { url: self.url.clone(), status: 200 });
            };
            cursor = data["nextCursor"].as_str().map(str::to_owned);
            listed.more = cursor.is_some() && !rows.is_empty();
            listed.rows.extend(rows);
        }
        Ok(listed)
    }

    /// The `data` of the answer to a write.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.data(method, path, Some(body)).await
    }

    async fn data(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        if self.token.is_none() {
            return Err(ClientError::NoToken);
        }
        let answer = self.fetch(method, path, &HeaderMap::new(), body).await?;
        let mut json = answer.json();
        let status = answer.status;
        if status.is_success() && json.get("code") == Some(&0.into()) {
            return Ok(json["data"].take());
        }
        let (code, message) = (json["error"]["code"].as_str(), json["message"].as_str());
        match (status, code, message) {
            (StatusCode::UNAUTHORIZED, _, Some(message)) => {
                Err(ClientError::Unauthorized(message.to_owned()))
            }
            (_, Some(code), Some(message)) if !status.is_success() => Err(ClientError::Refused {
                status: status.as_u16(),
                code: code.to_owned(),
                message: message.to_owned(),
            }),
            _ => Err(ClientError::Foreign { url: self.url.clone(), status: status.as_u16() }),
        }
    }

    /// Any answer, whatever its status.
    pub async fn fetch(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let whole = async {
            let (head, body) = self.open(method, path, headers, body).await?.into_parts();
            let body = body.collect().await.map_err(|error| self.broken(&error))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        let waited = tokio::time::timeout(TIMEOUT, whole).await;
        waited.unwrap_or_else(|_| Err(ClientError::TimedOut { url: self.url.clone(), limit: TIMEOUT }))
    }

    /// The head of an answer, its body still to come.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, ClientError> {
        let bad = |_| ClientError::BadUrl(format!("{}{path}", self.url));
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = request.body(Full::new(Bytes::from(body))).map_err(bad)?;
        request.headers_mut().extend(headers.clone());
        self.http.request(request).await.map_err(|error| {
            let (url, reason) = (self.url.clone(), innermost(&error));
            if error.is_connect() && is_of_tls(&error) {
                ClientError::Untrusted { url, reason }
            } else if error.is_connect() {
                ClientError::NotRunning { url, reason }
            } else {
                self.broken(&error)
            }
        })
    }

    /// The error of a connection that broke.
    pub fn broken(&self, error: &(dyn std::error::Error + 'static)) -> ClientError {
        ClientError::Broken { url: self.url.clone(), reason: innermost(error) }
    }
}

/// What connects. Certificates are checked against the machine's own roots, which are read only where they are `needed`.
fn connector(needed: bool) -> Result<HttpsConnector<HttpConnector>, ClientError> {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let builder = hyper_rustls::HttpsConnectorBuilder::new();
    let tls = if needed {
        builder
            .with_provider_and_native_roots(provider)
            .map_err(|error| ClientError::Tls(error.to_string()))?
    } else {
        builder
            .with_provider_and_webpki_roots(provider)
            .map_err(|error| ClientError::Tls(error.to_string()))?
    };
    Ok(tls.https_or_http().enable_http1().wrap_connector(tcp))
}

/// The origin of a server, from what people paste: a final `/`, or the `/v1` of an SDK's base URL, is dropped.
fn base(url: &str) -> Result<String, ClientError> {
    let bad = || ClientError::BadUrl(url.to_owned());
    let trimmed = url.trim().trim_end_matches('/');
    let trimmed = trimmed.strip_suffix("/v1").unwrap_or(trimmed);
    let uri: Uri = trimmed.parse().map_err(|_| bad())?;
    let known_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    if !known_scheme || !has_host || uri.query().is_some() {
        return Err(bad());
    }
    Ok(trimmed.to_owned())
}

#[cfg(test)]
mod tests;
