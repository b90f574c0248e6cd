//! What a caller says a request belongs to: agent, run, session, step, properties.

mod attribution;
mod caching;
pub mod headers;
pub use attribution::*;
pub use caching::*;
