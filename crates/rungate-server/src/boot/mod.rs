//! From a configuration to the running parts: opens the data folder, its keys and stores, and makes what a first start
//! must make. The configuration is not kept.

pub mod folder;
pub mod keys;
pub mod node;
pub mod owner;
mod prices;
pub mod sealed;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rungate_core::ports::{Clock, Entropy};
use rungate_core::secret::Secret;
use rungate_gateway::budget::{Event, Ledger};
use rungate_gateway::cache::Cache;
use rungate_gateway::directory::Directories;
use rungate_gateway::egress::EgressRules;
use rungate_gateway::journal::{Journal, JournalConfig};
use rungate_gateway::memory::MemoryPool;
use rungate_gateway::prices::Prices;
use rungate_gateway::trail::Trails;
use rungate_gateway::upstream::Client;
use rungate_gateway::webhook::{Outbox, Sender};
use rungate_llm::catalog::Catalogue;
use rungate_store::{Database, StoreConfig, Stores};
use tokio::sync::mpsc;

use crate::clock::{SystemClock, SystemEntropy};
use crate::config::{self, Config, Credentials};
use crate::http::arrival::TrustedProxies;
use crate::http::health::Health;
use crate::http::listener::ConnectionLimits;
use crate::http::operations::MetricsAccess;
use crate::http::tls;
use crate::jobs::retention::Term;
use crate::planes::{self, PipelineSettings};
use crate::services::Services;
use crate::telemetry::metrics::Telemetry;

/// The parts of a server that is ready to be run; see [`crate::serve::run`].
pub struct Booted {
    /// What handlers and jobs work with.
    pub services: Arc<Services>,
    /// Room for bodies.
    pub memory: MemoryPool,
    /// Metrics.
    pub telemetry: Arc<Telemetry>,
    /// Where the server is in its life.
    pub health: Arc<Health>,
    /// How connections are treated.
    pub edge: EdgeSettings,
    /// How the data plane treats providers and bodies.
    pub pipeline: PipelineSettings,
    /// How long things are kept.
    pub retention: Term,
    /// What budgets say while requests are served.
    pub budget_events: mpsc::Receiver<Event>,
    /// The owner token, when this start made it: to be shown once.
    pub fresh_owner_token: Option<Secret>,
    /// To be closed last.
    pub stores: Stores,
}

/// What the edge takes from the configuration.
pub struct EdgeSettings {
    /// Bounds on connections.
    pub limits: ConnectionLimits,
    /// TLS, when it is switched on.
    pub tls: Option<tokio_rustls::TlsAcceptor>,
    /// Whose word counts about the client's address.
    pub proxies: TrustedProxies,
    /// Who may read metrics.
    pub metrics: MetricsAccess,
}

/// Boots a server on its data folder.
pub async fn boot(config: &Config, credentials: &Credentials) -> anyhow::Result<Booted> {
    let edge = edge_settings(config)?;
    let egress = EgressRules::parse(&config.egress.allow).map_err(|entry| {
        anyhow::anyhow!("`egress.allow` has {entry}, which is no host, address or network")
    })?;
    let egress = Arc::new(egress);
    let client = Client::new(Arc::clone(&egress), planes::timeouts(&config.upstream))?;
    let prices = Arc::new(Prices::new(Catalogue::embedded()?));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::open()?);

    let data = &config.store.data;
    folder::prepare(data).with_context(|| format!("the data folder {} cannot be used", data.display()))?;
    let stores = open_stores(&config.store, &*clock, &*entropy).await?;
    let keys =
        keys::open(data, credentials.sealing_key.as_ref(), &*stores.catalog, &*clock, &*entropy).await?;
    let owner =
        owner::Owner { catalog: &*stores.catalog, hasher: &keys.hasher, clock: &*clock, entropy: &*entropy };
    let fresh_owner_token = owner.ensure(credentials.owner_token.as_ref()).await?;

    prices::remember(prices.embedded(), &*stores.catalog, &*clock, &*entropy).await?;

    let journal = Arc::new(open_journal(config).await?);
    let patience = Duration::from_millis(config.limits.budget_wait_ms.get());
    let (ledger, budget_events) = Ledger::new(Arc::clone(&stores.log), Arc::clone(&journal), patience);
    let ledger = Arc::new(ledger);
    let directories =
        Arc::new(Directories::new(keys.keyring.clone(), Arc::clone(&prices), Arc::clone(&ledger)));
    directories.refresh(&*stores.catalog).await?;
    let trails =
        Trails::new(Arc::clone(&journal), Arc::clone(&stores.log), Arc::clone(&clock), Arc::clone(&entropy));
    let memory = MemoryPool::new(usize::try_from(config.limits.memory_bytes.bytes()).unwrap_or(usize::MAX));
    let cache = usize::try_from(config.limits.cache_bytes.bytes()).unwrap_or(usize::MAX);
    let cache = Arc::new(Cache::new(cache));
    let telemetry = Arc::new(Telemetry::new(Arc::clone(&journal), memory.clone(), Arc::clone(&cache)));
    let outbox = Outbox::new(
        Arc::clone(&stores.catalog),
        Arc::clone(&clock),
        Arc::clone(&entropy),
        Arc::clone(&telemetry) as _,
    );
    let sender =
        Sender::new(Arc::clone(&egress), keys.keyring.clone(), Arc::clone(&clock), Sender::PATIENCE)?;
    Ok(Booted {
        telemetry,
        services: Arc::new(Services {
            catalog: Arc::clone(&stores.catalog),
            log: Arc::clone(&stores.log),
            directories,
            ledger,
            trails: Arc::new(trails),
            journal,
            cache,
            prices,
            egress,
            client,
            outbox: Arc::new(outbox),
            sender: Arc::new(sender),
            keyring: keys.keyring,
            hasher: keys.hasher,
            clock,
            entropy,
        }),
        memory,
        health: Arc::new(Health::of(stores.kind())),
        edge,
        pipeline: PipelineSettings::of(&config.upstream, &config.limits),
        retention: Term::of(&config.retention),
        budget_events,
        fresh_owner_token,
        stores,
    })
}

/// Opens the stores: in the data folder, which is there, or in the database that the configuration names.
pub async fn open_stores(
    config: &config::Store,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> anyhow::Result<Stores> {
    ensure_whole(&config.data)?;
    let database = match &config.url {
        None => return open_folder(&config.data).await,
        Some(url) => Database {
            url: url.clone(),
            node: node::open(&config.data, clock, entropy)?,
            patience: Duration::from_secs(config.wait_seconds.get()),
        },
    };
    let url = database.url.clone();
    let opened =
        rungate_store::open(&StoreConfig { dir: config.data.clone(), database: Some(database) }).await;
    opened.with_context(|| format!("the store in {url} cannot be opened"))
}

/// Opens the stores of a data folder that holds everything.
pub async fn open_folder(data: &std::path::Path) -> anyhow::Result<Stores> {
    ensure_whole(data)?;
    let opened = rungate_store::open(&StoreConfig::folder(data.to_owned())).await;
    opened.with_context(|| format!("the store in {} cannot be opened", data.display()))
}

fn ensure_whole(data: &std::path::Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        !data.join(folder::RESTORING).exists(),
        "a backup was being restored into {} and did not get to its end: empty the folder and restore anew",
        data.display()
    );
    Ok(())
}

async fn open_journal(config: &Config) -> anyhow::Result<Journal> {
    let dir: PathBuf = config.store.data.join("journal");
    let journal = JournalConfig {
        dir: dir.clone(),
        durability: config.journal.durability,
        max_bytes: config.journal.max_bytes.bytes(),
        segment_bytes: config.journal.segment_bytes.bytes(),
    };
    let opened = tokio::task::spawn_blocking(move || Journal::open(journal)).await?;
    opened.with_context(|| format!("the journal in {} cannot be opened", dir.display()))
}

fn edge_settings(config: &Config) -> anyhow::Result<EdgeSettings> {
    let server = &config.server;
    let tls = match (&server.tls_cert, &server.tls_key) {
        (Some(cert), Some(key)) => Some(tls::acceptor(cert, key).context("TLS cannot be switched on")?),
        _ => None,
    };
    let bytes = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let metrics = match (&config.metrics.token, config.metrics.enabled) {
        (_, false) => MetricsAccess::Off,
        (Some(token), true) => MetricsAccess::Token(token.clone()),
        (None, true) => MetricsAccess::Open,
    };
    Ok(EdgeSettings {
        limits: ConnectionLimits {
            max_connections: bytes(server.max_connections.get()),
            max_header_bytes: bytes(server.max_header_bytes.bytes()),
            header_read_timeout: Duration::from_secs(server.header_read_timeout_seconds.get()),
            write_timeout: Duration::from_secs(server.write_timeout_seconds.get()),
            shutdown_grace: Duration::from_secs(server.shutdown_grace_seconds.get()),
        },
        tls,
        proxies: TrustedProxies::new(server.trusted_proxies.clone()),
        metrics,
    })
}
