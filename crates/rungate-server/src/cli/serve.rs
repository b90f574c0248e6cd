//! `rungate serve`

use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use rungate_core::secret::Secret;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::boot::{self, Booted};
use crate::cli::out;
use crate::config::{Config, Credentials, Environment, Loaded, Server, Sources};
use crate::{serve, shutdown};

/// Files of the store and the journal, and some to spare.
const OTHER_FILES: u64 = 256;

/// Serves the gateway and its control API until it is told to stop.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Address and port to listen on [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Data folder, made at the first start [default: ./rungate-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Configuration file; `rungate config example` prints one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// PEM file with the certificate chain; switches TLS on
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the private key
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let environment = Environment::of_process();
        let credentials = environment.credentials()?;
        let loaded = Config::load(&self.sources(environment))?;
        runtime()?.block_on(run(loaded, credentials))
    }

    fn sources(self, environment: Environment) -> Sources {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let flags = [
            ("server", "listen", self.listen),
            ("store", "data", self.data.map(path)),
            ("server", "tls_cert", self.tls_cert.map(path)),
            ("server", "tls_key", self.tls_key.map(path)),
        ];
        let flags =
            flags.into_iter().filter_map(|(section, key, value)| Some((section, key, value?))).collect();
        Sources { file: self.config, environment, flags }
    }
}

/// A worker per core. Threads have names that tell those that serve requests from those that wait for the disk, so that
/// whoever looks at the process sees where its time goes.
fn runtime() -> std::io::Result<Runtime> {
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let started = AtomicUsize::new(0);
    // The runtime starts its workers before any other thread.
    let name = move || {
        let is_worker = started.fetch_add(1, Ordering::Relaxed) < workers;
        if is_worker { "rungate-worker" } else { "rungate-block" }.to_owned()
    };
    Builder::new_multi_thread().worker_threads(workers).thread_name_fn(name).enable_all().build()
}

async fn run(loaded: Loaded, credentials: Credentials) -> anyhow::Result<()> {
    let Loaded { config, warnings } = loaded;
    crate::telemetry::logging::start(&config.log);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    raise_file_limit(config.server.max_connections.get());
    // Before anything is made, so that a port that is taken leaves no trace.
    let listener = TcpListener::bind(config.server.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.server.listen))?;
    let address = listener.local_addr()?;
    warn_of_plain_text(&config.server, address);

    let booted = boot::boot(&config, &credentials).await?;
    drop(credentials);
    if let Some(token) = &booted.fresh_owner_token {
        out::print(&welcome(token, &url(&booted, address)))?;
    }
    // Whoever has read that it listens may stop it.
    let told_to_stop = shutdown::requested();
    tracing::info!(url = url(&booted, address), data = %config.store.data.display(), store = booted.stores.kind(), "listening");
    drop(config);

    let stop = CancellationToken::new();
    let told = async {
        match told_to_stop.await {
            Ok(()) => stop.cancel(),
            Err(error) => {
                tracing::error!(%error, "signals cannot be received; only killing will stop the server");
            }
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        served = serve::run(booted, listener, stop.clone()) => served,
        never = told => match never {},
    }
}

/// Each exchange takes two files: the client's connection and the provider's. The usual soft limit of 1024 would end at
/// some 500 streams, so it is raised as far as the hard one allows.
fn raise_file_limit(max_connections: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // No limit is spelled `None`.
    let Some(soft) = current else { return };
    let needed = max_connections.saturating_mul(2).saturating_add(OTHER_FILES);
    let raised = maximum.map_or(needed, |hard| hard.min(needed));
    if raised > soft
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum })
    {
        tracing::warn!(%error, soft, "the limit on open files cannot be raised");
    }
    let limit = raised.max(soft);
    if limit < max_connections {
        tracing::warn!(
            limit,
            max_connections,
            "fewer open files are allowed than connections; raise the limit (ulimit -Hn, LimitNOFILE)"
        );
    }
}

fn warn_of_plain_text(server: &Server, address: SocketAddr) {
    if server.tls_cert.is_none() && !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "listening beyond this machine WITHOUT TLS: keys and prompts cross the network in plain text. Set --tls-cert and \
             --tls-key, or put a proxy that ends TLS in front"
        );
    }
}

fn url(booted: &Booted, address: SocketAddr) -> String {
    let scheme = if booted.edge.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// What a first start says, once.
fn welcome(token: &Secret, url: &str) -> String {
    let token = token.expose();
    format!(
        r#"
Rungate is set up. This is the owner token; it is shown this once, so keep it now:

    {token}

Next: store a provider key, then make an agent, whose virtual key calls models.

    export TOKEN=<the owner token>
    curl {url}/api/v1/provider-keys -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \
      -d '{{"name": "openai", "provider": "openai", "secret": "sk-..."}}'
    curl {url}/api/v1/agents -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \
      -d '{{"type": "ai_agent", "name": "My first agent", "masterKeyId": "<id of the provider key>"}}'

The API is described at {url}/openapi.json. `rungate owner-token reset` replaces a lost token.

"#
    )
}
