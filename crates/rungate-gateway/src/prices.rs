//! The prices in force on this node.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use rungate_llm::catalog::Catalogue;

/// The catalogue in force, shared by all requests, and the one that the build carries.
pub struct Prices {
    current: ArcSwap<Catalogue>,
    embedded: Arc<Catalogue>,
}

impl Prices {
    /// The catalogue of the build, in force until another takes its place.
    pub fn new(embedded: Catalogue) -> Self {
        let embedded = Arc::new(embedded);
        Self { current: ArcSwap::new(Arc::clone(&embedded)), embedded }
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
}
