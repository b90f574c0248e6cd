//! Chooses the backend.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rungate_core::ports::{Catalog, Log, StoreError};
use uuid::Uuid;

use crate::postgres::{self, DatabaseUrl};
use crate::sqlite;

/// Where things are kept.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The data folder, made if absent. Never on a network file system.
    pub dir: PathBuf,
    /// The database that rows are kept in; `None` keeps them in the data folder.
    pub database: Option<Database>,
}

/// A database that nodes may share.
#[derive(Debug, Clone)]
pub struct Database {
    /// Where it is.
    pub url: DatabaseUrl,
    /// This node, always the same for a data folder: how far its journal is applied is kept by it.
    pub node: Uuid,
    /// How long to wait for it at the start, as beside a server that is starting too.
    pub patience: Duration,
}

impl StoreConfig {
    /// Everything in the data folder.
    pub fn folder(dir: PathBuf) -> Self {
        Self { dir, database: None }
    }
}

/// The storage roles of one installation.
pub struct Stores {
    /// Agents, keys, settings.
    pub catalog: Arc<dyn Catalog>,
    /// Exchanges.
    pub log: Arc<dyn Log>,
    backend: Backend,
}

enum Backend {
    Sqlite(sqlite::Backend),
    Postgres(postgres::Backend),
}

/// Opens the stores: makes what is absent, brings older schemas up to date, and refuses newer ones, damaged ones, and a
/// folder that another process has open.
pub async fn open(config: &StoreConfig) -> Result<Stores, StoreError> {
    match &config.database {
        None => {
            let backend = sqlite::Backend::open(&config.dir).await?;
            let (catalog, log) = (backend.catalog(), backend.log());
            Ok(Stores { catalog, log, backend: Backend::Sqlite(backend) })
        }
        Some(database) => {
            let backend = postgres::Backend::open(&config.dir, database).await?;
            let (catalog, log) = (backend.catalog(), backend.log());
            Ok(Stores { catalog, log, backend: Backend::Postgres(backend) })
        }
    }
}

/// Whether a database can be reached and used, changing nothing.
pub async fn probe(url: &DatabaseUrl) -> Result<(), StoreError> {
    postgres::probe(url).await
}

impl Stores {
    /// Finishes what is being written, writes everything into its main file, and frees the folder. Both roles answer
    /// [`StoreError::Unavailable`] from then on.
    pub async fn close(self) {
        match self.backend {
            Backend::Sqlite(backend) => backend.close().await,
            Backend::Postgres(backend) => backend.close().await,
        }
    }

    /// What keeps the rows, for people and for `/readyz`.
    pub fn kind(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite(_) => "sqlite",
            Backend::Postgres(_) => "postgresql",
        }
    }
}
