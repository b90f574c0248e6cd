//! The PostgreSQL backend (15 or newer): one database, for one installation.
//!
//! The tables are those of the SQLite files, in one schema; time is microseconds and money nano-dollars there too. The
//! journal and the sealing key stay in the data folder: each node has its own.

pub(crate) mod backup;
mod bind;
mod catalog;
mod error;
mod listener;
mod log;
mod migrate;
mod pool;
#[cfg(test)]
mod tests;
mod tls;
mod url;
mod wait;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rungate_core::ports::{Catalog, Log, StoreError};

use self::catalog::PostgresCatalog;
use self::log::PostgresLog;
use crate::folder::Folder;
use crate::open::Database;

pub use self::url::DatabaseUrl;

/// Whether the server lets us in and is one we can work with.
pub(crate) async fn probe(url: &DatabaseUrl) -> Result<(), StoreError> {
    wait::until_reachable(url, Duration::ZERO).await
}

/// The two roles over one database, for the node that has the data folder.
pub(crate) struct Backend {
    catalog: Arc<PostgresCatalog>,
    log: Arc<PostgresLog>,
    folder: Arc<Folder>,
}

impl Backend {
    /// Locks the data folder, waits for the server and brings the tables up to date.
    pub async fn open(dir: &Path, database: &Database) -> Result<Self, StoreError> {
        let folder = Arc::new(Folder::open(dir)?);
        let Database { url, node, patience } = database;
        wait::until_reachable(url, *patience).await?;
        let catalog = Arc::new(PostgresCatalog::open(url).await?);
        let log = Arc::new(PostgresLog::open(url, &node.to_string()).await?);
        Ok(Self { catalog, log, folder })
    }

    /// The catalog.
    pub fn catalog(&self) -> Arc<dyn Catalog> {
        Arc::clone(&self.catalog) as Arc<dyn Catalog>
    }

    /// The log.
    pub fn log(&self) -> Arc<dyn Log> {
        Arc::clone(&self.log) as Arc<dyn Log>
    }

    /// Ends both, then frees the data folder.
    pub async fn close(self) {
        self.log.close().await;
        self.catalog.close();
        drop(self.folder);
    }
}
