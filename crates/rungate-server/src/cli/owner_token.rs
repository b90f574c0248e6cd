//! `rungate owner-token`

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use crate::boot::owner::Owner;
use crate::boot::{self, keys};
use crate::cli::out;
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::{Config, Environment, Sources};

/// The commands about the owner token.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Replace the owner token by a fresh one and print it; stop the server first
    Reset {
        /// Data folder [default: ./rungate-data]
        #[arg(long, value_name = "FOLDER")]
        data: Option<PathBuf>,
        /// Configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let Self::Reset { data, config } = self;
        let environment = Environment::of_process();
        let sealing_key = environment.credentials()?.sealing_key;
        let data = data.map(|path| ("store", "data", path.to_string_lossy().into_owned()));
        let sources = Sources { file: config, environment, flags: data.into_iter().collect() };
        let store = Config::load(&sources)?.config.store;
        let data = &store.data;
        ensure!(data.is_dir(), "there is no data folder at {}", data.display());

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (clock, entropy) = (SystemClock::new(), SystemEntropy::open()?);
            let stores = boot::open_stores(&store, &clock, &entropy).await.context("stop the server first")?;
            let keys = keys::open(data, sealing_key.as_ref(), &*stores.catalog, &clock, &entropy).await?;
            let owner =
                Owner { catalog: &*stores.catalog, hasher: &keys.hasher, clock: &clock, entropy: &entropy };
            let token = owner.reset().await?;
            stores.close().await;
            Ok(out::print(&format!(
                "The owner token is now:\n\n    {}\n\nThe one before no longer works. While RUNGATE_OWNER_TOKEN is set, \
                 the next start puts that one back.\n",
                token.expose()
            ))?)
        })
    }
}
