//! Wire formats, providers, models and prices. Bytes in, bytes out: no IO, no clock.
//!
//! Reading order: `sse`, `request`, `meter`, `bridge`, `provider`, `providers`, `catalog`; each imports only from those before it.

pub mod bridge;
pub mod catalog;
pub mod meter;
pub mod provider;
pub mod providers;
pub mod request;
pub mod sse;
