//! A simulated provider: the wire formats of OpenAI and Anthropic, deterministic answers, and every fault on demand.
//!
//! It stands in for a real upstream in the demo, under load and in tests. What it does is chosen by the name of the
//! model that is asked for (`gpt-4o-mini+latency=200+cut=3`), so a test needs no other channel than the request
//! itself. `docs/sim.md` is its manual.
//!
//! It owns no files, needs no network but its listener, and bounds all that it keeps. It must know nothing of the
//! gateway: that is what makes it a fair witness of what the gateway sends.
//!
//! Reading order: `directives` and `text` (what to do and say), `event` and `script` (how an answer is played),
//! `call`, `openai`, `anthropic` (the endpoints), `service` (one request), `server` (the sockets).

mod directives;
mod text;

mod event;
mod schema;
mod script;

mod multipart;
mod refusal;
mod reply;
mod route;
mod stats;
mod store;

mod call;

mod anthropic;
mod openai;

mod auth;
mod server;
mod service;
mod sim;

use std::net::{Ipv4Addr, SocketAddr};

pub use directives::{BadDirective, Directives, Ending, Instead};
pub use server::serve;

/// Where the simulated provider listens when nothing else is said.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4010);

/// How a simulated provider is set up.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// The address to bind; [`serve`] takes a bound listener and does not read it.
    pub listen: SocketAddr,
    /// What holds for every request whose model name says nothing else.
    pub directives: Directives,
    /// At most this many connections at once; more wait to be accepted.
    pub max_connections: usize,
    /// The largest request body in bytes; a larger one is answered 413.
    pub max_body_bytes: usize,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            directives: Directives::default(),
            max_connections: 8192,
            max_body_bytes: 64 << 20,
        }
    }
}
