//! `rungate-bench generate`

use std::path::PathBuf;

use rungate_bench::control::OWNER_TOKEN;
use rungate_bench::fill::fill;
use rungate_core::secret::Secret;
use rungate_server::config::{Config, Environment, Sources};

use super::traffic::TrafficArgs;

/// Fill a log with made-up traffic; the variables that configure `rungate serve` say which store
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Data folder; no server may have it open
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    #[command(flatten)]
    traffic: TrafficArgs,
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let plan = self.traffic.plan();
        let environment = Environment::of_process();
        let mut credentials = environment.credentials()?;
        credentials.owner_token.get_or_insert_with(|| Secret::new(OWNER_TOKEN.to_owned()));
        let flags = vec![("store", "data", self.data.to_string_lossy().into_owned())];
        let config = Config::load(&Sources { file: None, environment, flags })?.config;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let seconds = runtime.block_on(Box::pin(fill(&config, &credentials, &plan)))?;
        super::print(&format!("{} requests until {} in {seconds:.1} s", plan.requests, plan.until))?;
        Ok(())
    }
}
