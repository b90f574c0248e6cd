//! The prices in force on this node: the active catalogue of the installation, and how a price is chosen from it and from
//! the prices of a workspace's own.

mod choose;
mod own;
mod reprice;
pub mod stored;

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use rungate_core::ports::{Catalog, StoreError};
use rungate_llm::catalog::Catalogue;

pub use choose::{Chosen, choose};
pub use own::{DatedPrice, OwnPrices};
pub use reprice::{Repriced, reprice};

/// The catalogue in force, shared by all requests, and the one that the build carries.
pub struct Prices {
    current: ArcSwap<Catalogue>,
    embedded: Arc<Catalogue>,
    /// The one that was last compared with, since long comparisons come in parts.
    compared: ArcSwapOption<Catalogue>,
}

impl Prices {
    /// The catalogue of the build, in force until another takes its place.
    pub fn new(embedded: Catalogue) -> Self {
        let embedded = Arc::new(embedded);
        Self { current: ArcSwap::new(Arc::clone(&embedded)), embedded, compared: ArcSwapOption::empty() }
    }

    /// The catalogue in force: for one look, not to be held over an await.
    pub fn load(&self) -> Guard<Arc<Catalogue>> {
        self.current.load()
    }

    /// The same, to be kept.
    pub fn load_full(&self) -> Arc<Catalogue> {
        self.current.load_full()
    }

    /// The catalogue that the build carries.
    pub const fn embedded(&self) -> &Arc<Catalogue> {
        &self.embedded
    }

    /// A catalogue by its id: what is in memory, else what is stored; `None` when there is none of that id.
    pub async fn find(&self, catalog: &dyn Catalog, id: &str) -> Result<Option<Arc<Catalogue>>, StoreError> {
        let known = [Some(self.load_full()), Some(Arc::clone(&self.embedded)), self.compared.load_full()];
        if let Some(known) = known.into_iter().flatten().find(|known| known.snapshot_id() == id) {
            return Ok(Some(known));
        }
        let found = stored::read(catalog, id).await?.map(Arc::new);
        if let Some(found) = &found {
            self.compared.store(Some(Arc::clone(found)));
        }
        Ok(found)
    }

    /// Puts in force what the catalog says is active.
    ///
    /// An active catalogue that is missing or damaged leaves the one of the build in force and is reported each time: a
    /// gateway without prices would let everybody spend what nobody counts. Only a store that is away is an error.
    pub async fn refresh(&self, catalog: &dyn Catalog) -> Result<(), StoreError> {
        let next = match self.active(catalog).await {
            Ok(next) => next,
            Err(StoreError::Corrupt(reason)) => {
                tracing::error!(%reason, "the active price snapshot is unusable; the embedded prices are in force");
                Arc::clone(&self.embedded)
            }
            Err(away @ StoreError::Unavailable(_)) => return Err(away),
        };
        if next.snapshot_id() != self.load().snapshot_id() {
            tracing::info!(snapshot = next.snapshot_id(), models = next.models().len(), "prices in force");
            self.current.store(next);
        }
        Ok(())
    }

    async fn active(&self, catalog: &dyn Catalog) -> Result<Arc<Catalogue>, StoreError> {
        let Some(id) = stored::active(catalog).await?.and_then(|active| active.snapshot) else {
            return Ok(Arc::clone(&self.embedded));
        };
        let found = self.find(catalog, &id).await?;
        found.ok_or_else(|| StoreError::Corrupt(format!("price snapshot {id} is not stored")))
    }
}

#[cfg(test)]
mod tests;
