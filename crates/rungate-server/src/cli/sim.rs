//! `rungate sim`

use std::net::SocketAddr;

use anyhow::Context as _;
use rungate_sim::SimConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::out;
use crate::shutdown;

/// Serves a simulated provider: the wire formats of OpenAI and Anthropic, and every fault on demand.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value_t = rungate_sim::DEFAULT_LISTEN)]
    listen: SocketAddr,
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
            let listener = TcpListener::bind(self.listen)
                .await
                .with_context(|| format!("cannot listen on {}", self.listen))?;
            let address = listener.local_addr()?;
            out::print(&format!("Simulated provider at http://{address}/v1\n"))?;
            let stop = CancellationToken::new();
            let told = async {
                let told = shutdown::requested().await;
                stop.cancel();
                told
            };
            let config = SimConfig { listen: address, ..SimConfig::default() };
            let ((), told) = tokio::join!(rungate_sim::serve(listener, config, stop.clone()), told);
            Ok(told?)
        })
    }
}
