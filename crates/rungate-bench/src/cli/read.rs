//! `rungate-bench read`

use std::net::SocketAddr;
use std::time::Duration;

use rungate_bench::control::OWNER_TOKEN;
use rungate_bench::reads::{self, Reads};

use super::traffic::TrafficArgs;

/// Read a log that `generate` has filled, through the control API; prints one line of JSON
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Address of the server
    #[arg(long, value_name = "ADDRESS")]
    target: SocketAddr,
    /// Its owner token
    #[arg(long, default_value = OWNER_TOKEN)]
    token: String,
    /// Seconds for each kind of read
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[command(flatten)]
    traffic: TrafficArgs,
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let each = Duration::try_from_secs_f64(self.seconds)?;
        let reads = Reads { target: self.target, token: self.token, plan: self.traffic.plan(), each };
        super::print(&serde_json::to_string(&reads::run(&reads)?)?)?;
        Ok(())
    }
}
