//! What a caller says a request belongs to: agent, run, session, step, properties.

mod attribution;
pub mod headers;
pub use attribution::*;
