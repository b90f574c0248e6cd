//! The catalogue that the build carries, kept in the store too: a later build carries another, and the costs of before
//! can still be explained.

use rungate_core::ports::{Catalog, CatalogError, Clock, Entropy, fresh_uuid};
use rungate_gateway::prices::stored;
use rungate_llm::catalog::Catalogue;

/// Stores `embedded`, unless it is stored already.
pub async fn remember(
    embedded: &Catalogue,
    catalog: &dyn Catalog,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> anyhow::Result<()> {
    if stored::describe(catalog, embedded.snapshot_id()).await?.is_some() {
        return Ok(());
    }
    let now = clock.now();
    let source = format!("rungate {}", env!("CARGO_PKG_VERSION"));
    let (_, writes) = stored::write(embedded, fresh_uuid(entropy, now), source, None, now)?;
    match catalog.commit(writes).await {
        // Another node was faster.
        Ok(_) | Err(CatalogError::AlreadyExists(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
