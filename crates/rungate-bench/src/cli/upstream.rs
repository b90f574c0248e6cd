//! `rungate-bench upstream`

use std::net::SocketAddr;

use rungate_bench::upstream;

/// Be the provider: fixed chat completions, whole or as paced streams
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Address to listen on; port 0 takes a free one. Prints where.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9800")]
    listen: SocketAddr,
}

impl Command {
    /// Runs it until it is killed.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(upstream::serve(self.listen, |address| {
            // Whoever started it may have stopped reading.
            let _ = super::print(&address.to_string());
        }))
    }
}
