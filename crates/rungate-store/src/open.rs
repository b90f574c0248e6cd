//! Chooses the backend.

use std::path::PathBuf;
use std::sync::Arc;

use rungate_core::ports::{Catalog, Log, StoreError};

use crate::sqlite;

/// Where things are kept.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The data folder, made if absent. Never on a network file system.
    pub dir: PathBuf,
}

/// The storage roles of one installation.
pub struct Stores {
    /// Agents, keys, settings.
    pub catalog: Arc<dyn Catalog>,
    /// Exchanges.
    pub log: Arc<dyn Log>,
    backend: sqlite::Backend,
}

/// Opens the stores: makes what is absent, brings older schemas up to date, and refuses newer ones, damaged ones, and a
/// folder that another process has open.
pub async fn open(config: &StoreConfig) -> Result<Stores, StoreError> {
    let backend = sqlite::Backend::open(&config.dir).await?;
    Ok(Stores { catalog: backend.catalog(), log: backend.log(), backend })
}

impl Stores {
    /// Finishes what is being written, writes everything into its main file, and frees the folder. Both roles answer
    /// [`StoreError::Unavailable`] from then on.
    pub async fn close(self) {
        self.backend.close().await;
    }
}
