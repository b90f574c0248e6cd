//! The stores: the only crate that knows databases.
//!
//! [`open`] chooses the backend and gives the two storage roles of [`rungate_core::ports`], as trait objects. What is
//! not SQL (which rows a filter means, how runs and sessions add up, how a record is encoded) lies beside the
//! backends and is shared by them; a backend is a folder with the same file names as its siblings.
//!
//! Modules import one way only: `open`, then the backends, then `filter`, `rollup` and `view`, then `sql` and `record`.

#[cfg(test)]
mod conformance;
mod filter;
mod open;
#[expect(dead_code, reason = "the roles follow")]
mod postgres;
mod record;
mod rollup;
mod sql;
mod sqlite;
mod view;

pub use open::{StoreConfig, Stores, open};
pub use postgres::DatabaseUrl;
