//! Asks a provider for its models: the one request that costs nothing and needs a working credential.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use serde::Deserialize;

use super::headers::{self, UnusableSecret};
use super::{Client, SendError};
use crate::directory::ProviderAccess;

/// Nobody waits longer for a check.
const PATIENCE: Duration = Duration::from_secs(20);
const MAX_BODY_BYTES: usize = 8 << 20;

/// What a provider answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Its status.
    pub status: u16,
    /// The models it listed, as it names them; empty when it listed none.
    pub models: Vec<String>,
}

/// Why a provider could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No address is known for it.
    #[error("the provider key has no address: set its baseUrl")]
    NoAddress,
    /// The credential cannot be sent.
    #[error(transparent)]
    Secret(#[from] UnusableSecret),
    /// No answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// No answer in time.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Timeout,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    id: String,
}

/// Asks the provider behind `access`.
pub async fn probe(client: &Client, access: &ProviderAccess) -> Result<Probed, ProbeError> {
    let url = access.provider.models_url(access.key.base_url.as_deref()).ok_or(ProbeError::NoAddress)?;
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.uri_mut() = url.parse().map_err(|_| ProbeError::NoAddress)?;
    *request.headers_mut() = headers::upstream(&HeaderMap::new(), access, false)?;
    tokio::time::timeout(PATIENCE, asked(client, request)).await.map_err(|_| ProbeError::Timeout)?
}

async fn asked(client: &Client, request: Request<Full<Bytes>>) -> Result<Probed, ProbeError> {
    let response = client.send(request, client.timeouts().first_byte).await?;
    let status = response.status();
    // A body that is too long, broken or something else lists nothing; the status alone says whether the key works.
    let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await.ok();
    let list: Option<List> = body.and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
    let models = list.map(|list| list.data).unwrap_or_default();
    let models = if status.is_success() { models } else { Vec::new() };
    Ok(Probed { status: status.as_u16(), models: models.into_iter().map(|model| model.id).collect() })
}
