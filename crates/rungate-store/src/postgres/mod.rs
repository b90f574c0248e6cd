//! The PostgreSQL backend (15 or newer): one database, for one installation.
//!
//! The tables are those of the SQLite files, in one schema; time is microseconds and money nano-dollars there too. The
//! journal and the sealing key stay in the data folder: each node has its own.

mod bind;
mod error;
mod migrate;
mod pool;
mod tls;
mod url;

pub use url::DatabaseUrl;
