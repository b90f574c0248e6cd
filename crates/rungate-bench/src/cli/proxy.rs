//! `rungate-bench proxy`

use std::net::SocketAddr;

use rungate_bench::proxy;

/// Be a plain proxy of the HTTP libraries alone
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where requests are sent
    #[arg(long, value_name = "ADDRESS")]
    upstream: SocketAddr,
}

impl Command {
    /// Runs it until it is killed.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(proxy::serve(self.listen, self.upstream))
    }
}
