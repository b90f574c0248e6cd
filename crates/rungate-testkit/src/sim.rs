//! The simulated provider inside the test's own process.

use std::net::SocketAddr;

use rungate_sim::SimConfig;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::client::Client;

/// A running simulated provider; ends when dropped.
pub struct Sim {
    /// Where it listens.
    pub address: SocketAddr,
    _stop: DropGuard,
}

impl Sim {
    /// Starts one on a port of its own.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(rungate_sim::serve(listener, SimConfig::default(), stop.clone()));
        Self { address, _stop: stop.drop_guard() }
    }

    /// Its address for a provider key.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What it has seen.
    pub async fn stats(&self) -> Value {
        Client::new(format!("http://{}", self.address)).get("/sim/stats").await.json()
    }
}
