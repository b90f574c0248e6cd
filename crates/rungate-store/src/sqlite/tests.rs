//! The suites on SQLite, and what only a data folder has.

use tempfile::TempDir;

use crate::{StoreConfig, Stores};

async fn open() -> (TempDir, Stores) {
    let dir = tempfile::tempdir().unwrap();
    let stores = reopen(&dir).await;
    (dir, stores)
}

async fn reopen(dir: &TempDir) -> Stores {
    crate::open(&StoreConfig { dir: dir.path().join("data") }).await.unwrap()
}

mod catalog {
    crate::conformance::catalog::catalog_suite!(super::open);
}
