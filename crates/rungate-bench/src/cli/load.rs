//! `rungate-bench load`

use std::net::SocketAddr;
use std::time::Duration;

use rungate_bench::load::{self, Load};
use rungate_bench::prompt::{PromptSize, Sender, StreamShape};

/// Send chat completions and time the answers; prints one line of JSON
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Address of a gateway, or of the upstream
    #[arg(long, value_name = "ADDRESS")]
    target: SocketAddr,
    /// Path of chat completions
    #[arg(long, default_value = "/v1/chat/completions")]
    path: String,
    /// Bearer token
    #[arg(long, default_value = "vk-bench")]
    key: String,
    /// Model asked for
    #[arg(long, default_value = "gpt-4o-mini")]
    model: String,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 64)]
    connections: u64,
    /// Requests a second over all connections, sent when they are due; left out: each connection sends when it has its answer
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// For how long requests are begun
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// 280 bytes or 32 KB
    #[arg(long, value_enum, default_value = "small")]
    size: PromptSize,
    /// Ask for streams of this many chunks
    #[arg(long)]
    chunks: Option<u32>,
    /// Milliseconds between two chunks
    #[arg(long, default_value_t = 0)]
    pace_ms: u32,
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let load = Load {
            target: self.target,
            sender: Sender {
                path: self.path,
                host: self.target.to_string(),
                key: self.key,
                model: self.model,
            },
            connections: self.connections,
            rate: self.rate,
            duration: Duration::try_from_secs_f64(self.seconds)?,
            size: self.size,
            stream: self.chunks.map(|chunks| StreamShape { chunks, pace_ms: self.pace_ms }),
            seed: getrandom::u64()?,
        };
        super::print(&serde_json::to_string(&load::run(&load)?)?)?;
        Ok(())
    }
}
