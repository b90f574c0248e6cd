//! One file per target: how its input is laid out, and what must hold whatever the input is.

pub mod bridge;
pub mod headers;
pub mod journal;
pub mod meter;
pub mod price;
pub mod request;
pub mod sse;
