//! The SQLite backend: one data folder, one process.
//!
//! `control.db` holds the catalog; `log/` holds a file of rows and a segment of bodies per UTC day, and `views.db` with
//! what outlives the days. Each file has one writer thread and a few readers. WAL with `synchronous = FULL` throughout:
//! commits are grouped, so that syncing each of them costs little.

pub(crate) mod backup;
mod bind;
mod catalog;
mod error;
mod file;
mod log;
mod many;
mod migrate;
mod pool;
#[cfg(test)]
mod tests;
mod worker;

use std::path::Path;
use std::sync::Arc;

use rungate_core::ports::{Catalog, Log, StoreError};

use crate::folder::{self, Folder};

/// The two roles over one data folder.
pub(crate) struct Backend {
    catalog: Arc<catalog::SqliteCatalog>,
    log: Arc<log::SqliteLog>,
}

impl Backend {
    /// Opens or makes the data folder. After a failure nothing of it is held.
    pub async fn open(dir: &Path) -> Result<Self, StoreError> {
        let dir = dir.to_owned();
        let opening = move || {
            let folder = Arc::new(Folder::open(&dir)?);
            let catalog = Arc::new(catalog::SqliteCatalog::open(&folder)?);
            Ok::<_, StoreError>((catalog, log::SqliteLog::open(&folder)))
        };
        let opened = tokio::task::spawn_blocking(opening).await;
        let (catalog, log) = opened.map_err(|error| StoreError::Unavailable(error.to_string()))??;
        match log {
            Ok(log) => Ok(Self { catalog, log: Arc::new(log) }),
            Err(error) => {
                catalog.close().await;
                Err(error)
            }
        }
    }

    /// The catalog.
    pub fn catalog(&self) -> Arc<dyn Catalog> {
        Arc::clone(&self.catalog) as Arc<dyn Catalog>
    }

    /// The log.
    pub fn log(&self) -> Arc<dyn Log> {
        Arc::clone(&self.log) as Arc<dyn Log>
    }

    /// Ends both.
    pub async fn close(self) {
        self.log.close().await;
        self.catalog.close().await;
    }
}
