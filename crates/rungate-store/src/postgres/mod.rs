//! The PostgreSQL backend (15 or newer): one database, for one installation.
//!
//! The tables are those of the SQLite files, in one schema; time is microseconds and money nano-dollars there too. The
//! journal and the sealing key stay in the data folder: each node has its own.

mod bind;
mod catalog;
mod error;
mod listener;
mod migrate;
mod pool;
#[cfg(test)]
mod tests;
mod tls;
mod url;

pub use url::DatabaseUrl;
