//! Wire formats, providers, models and prices. Bytes in, bytes out: no IO, no clock.
//!
//! Reading order: `sse`, `request`, `meter`, `bridge`, `provider`, `providers`, `catalog`, `ceiling`, `replay`; each imports only from those before it.

pub mod bridge;
pub mod catalog;
pub mod ceiling;
pub mod meter;
pub mod provider;
pub mod providers;
pub mod replay;
pub mod request;
pub mod sse;
