//! The trail of a run: what is reported of it, and what we said to that, beside the requests that went through us.
//!
//! A trail is append-only. Its entries stand in the order in which they arrived; what a client says about the time is data.

mod check;
mod entry;
mod event;
mod filter;

pub use check::*;
pub use entry::*;
pub use event::*;
pub use filter::*;
