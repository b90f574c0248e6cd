//! The pipeline and its upstream in this process, one request after another on one thread, so that its instructions can be
//! counted. Nothing is drained: what happens behind the answers has no part in it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use rungate_core::id::{ExchangeId, RequestId};
use rungate_core::ports::fresh_uuid;
use rungate_gateway::arrival::Arrival;
use rungate_gateway::pipeline::Pipeline;
use rungate_gateway::registrar::registrar;
use rungate_gateway::route::{self, Route};
use rungate_server::boot::{self, Booted};
use rungate_server::config::{Config, Credentials, Environment, Sources};
use rungate_server::planes::{self, Planes};
use rungate_server::services::Services;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::control::OWNER_TOKEN;
use crate::prompt::{Conversation, PromptSize, Sender};
use crate::{setup, upstream};

/// What is driven through the pipeline.
#[derive(Debug, Clone)]
pub struct Drive {
    /// A fresh data folder.
    pub data: PathBuf,
    /// How many requests.
    pub requests: u64,
    /// How large.
    pub size: PromptSize,
    /// Straight to the upstream, past the pipeline.
    pub bare: bool,
}

/// Drives it.
pub async fn drive(drive: &Drive) -> Result<()> {
    let upstream = start_upstream().await?;
    let (config, credentials) = configured(drive)?;
    let booted = boot::boot(&config, &credentials).await?;
    let Booted { services, memory, telemetry, pipeline, stores, .. } = booted;
    let (registrar, _registrations) = registrar();
    let planes = planes::assemble(&services, pipeline, memory, telemetry, registrar);
    let key = agent_key(&services, &planes, upstream).await?;
    let path = "/v1/chat/completions";
    let sender = Sender {
        path: path.to_owned(),
        host: upstream.to_string(),
        key: key.clone(),
        model: "gpt-4o-mini".to_owned(),
    };
    let mut conversation = Conversation::new(sender, drive.size, None, 1, 0);
    for number in 0..drive.requests {
        let (_, body) = conversation.next_request();
        let request = request(upstream, &key, number, Bytes::copy_from_slice(body))?;
        let bytes = if drive.bare {
            let (parts, body) = request.into_parts();
            let response = services
                .client
                .send(Request::from_parts(parts, body), services.client.timeouts().first_byte)
                .await?;
            response.into_body().collect().await?.to_bytes()
        } else {
            let Ok(route) = route::find(&Method::POST, path) else { anyhow::bail!("there is no {path}") };
            answered(&services, &planes.data, route, number, request).await?
        };
        ensure!(bytes.starts_with(b"{\"id\":\"chatcmpl-"), "{}", String::from_utf8_lossy(&bytes));
    }
    drop((planes, services));
    stores.close().await;
    Ok(())
}

async fn start_upstream() -> Result<SocketAddr> {
    let (started, address) = tokio::sync::oneshot::channel();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    tokio::spawn(upstream::serve(listen, |address| {
        // Nobody waits only when this process is ending.
        let _ = started.send(address);
    }));
    Ok(address.await?)
}

fn configured(drive: &Drive) -> Result<(Config, Credentials)> {
    let data = drive.data.to_string_lossy().into_owned();
    let variables = [
        ("RUNGATE_OWNER_TOKEN", OWNER_TOKEN),
        ("RUNGATE_EGRESS_ALLOW", "127.0.0.0/8"),
        ("RUNGATE_STORE_DATA", &data),
    ];
    let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = Environment::from_variables(owned);
    let credentials = environment.credentials()?;
    let loaded = Config::load(&Sources { file: None, environment, flags: Vec::new() })?;
    Ok((loaded.config, credentials))
}

async fn agent_key(services: &Services, planes: &Planes<Pipeline>, upstream: SocketAddr) -> Result<String> {
    let provider_key = made(planes, setup::provider_key(upstream)).await?;
    let agent = made(planes, setup::agent(&provider_key, false)).await?;
    let virtual_key = made(planes, setup::virtual_key(&agent)).await?;
    services.directories.refresh(&*services.catalog).await?;
    setup::token(&virtual_key)
}

async fn made(planes: &Planes<Pipeline>, (path, body): setup::Wanted) -> Result<Value> {
    let request = Request::post(path)
        .header("authorization", format!("Bearer {OWNER_TOKEN}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))?;
    let response = planes.control.clone().oneshot(request).await?;
    let (head, body) = response.into_parts();
    let body: Value = serde_json::from_slice(&body.collect().await?.to_bytes())?;
    ensure!(head.status.is_success(), "{path}: {} {body}", head.status);
    Ok(body["data"].clone())
}

fn request(upstream: SocketAddr, key: &str, number: u64, body: Bytes) -> Result<Request<Full<Bytes>>> {
    let request = Request::post(format!("http://{upstream}/v1/chat/completions"))
        .header("host", upstream.to_string())
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .header("content-length", body.len())
        .header("x-request-id", format!("req-{number}"))
        .header("alephant-run-id", format!("run-{}", number / 8))
        .header("alephant-session-id", format!("session-{}", number / 32))
        .header("alephant-property-environment", "bench");
    Ok(request.body(Full::new(body))?)
}

async fn answered(
    services: &Services,
    pipeline: &Pipeline,
    route: Route,
    number: u64,
    request: Request<Full<Bytes>>,
) -> Result<Bytes> {
    let at = services.clock.now();
    let arrival = Arrival {
        id: ExchangeId::new(fresh_uuid(&*services.entropy, at)),
        request_id: Some(RequestId::parse(&format!("req-{number}"))?),
        request_id_malformed: false,
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        country: None,
        at,
        started: services.clock.monotonic(),
    };
    let response = pipeline.handle(arrival, route, request).await;
    let body = response.into_body().collect().await.ok().context("the answer broke off")?;
    Ok(body.to_bytes())
}
