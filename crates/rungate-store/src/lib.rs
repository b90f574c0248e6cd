//! The stores: the only crate that knows databases.
//!
//! [`open`] chooses the backend and gives the two storage roles of [`rungate_core::ports`], as trait objects. What is
//! not SQL (which rows a filter means, how runs and sessions add up, how a record is encoded, how bodies are packed)
//! lies beside the backends and is shared by them; a backend is a folder with the same file names as its siblings.
//!
//! Modules import one way only: `open`, then the backends, then `filter`, `rollup`, `view`, `trail` and `change`, then `folder`,
//! `sql`, `record` and `block`.

mod block;
mod change;
#[cfg(test)]
mod conformance;
mod filter;
mod folder;
mod open;
mod postgres;
mod record;
mod rollup;
mod sql;
mod sqlite;
mod trail;
mod view;

pub use open::{Database, StoreConfig, Stores, open, probe};
pub use postgres::DatabaseUrl;

/// Copies of a data folder, taken while it is written.
pub mod backup {
    pub use crate::sqlite::backup::{Contents, copy_catalog, copy_log, inspect};

    /// The same of a database.
    pub mod database {
        pub use crate::postgres::backup::{Dump, FOLDER, Table, clear, dump, fill, inspect, is_empty};
    }
}
