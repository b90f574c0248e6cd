//! The harness of the journeys: the real binary as a process of its own, the simulated provider, and a client.
//!
//! For tests only, so that it says what went wrong by panicking.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "a harness fails by panicking"
)]
#![expect(clippy::disallowed_methods, reason = "the environment says what the tests are run on")]

mod client;
mod port;
mod postgres;
mod server;
mod sim;
mod tenant;

pub use client::{Answer, Client, Streamed};
pub use postgres::{TestCluster, TestDatabase, psql};
pub use server::{OWNER_TOKEN, Server, ServerOptions};
pub use sim::Sim;
pub use tenant::{PROVIDER_SECRET, Tenant};
