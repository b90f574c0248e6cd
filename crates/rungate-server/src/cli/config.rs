//! `rungate config`

use std::path::PathBuf;

use crate::cli::out;
use crate::config::{self, Config, Environment, Sources};

/// The commands about the configuration.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print every key with its documentation and default
    Example,
    /// Check the file and the environment, and say what is wrong
    Check {
        /// Configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Example => out::print(&config::example())?,
            Self::Check { config } => {
                let environment = Environment::of_process();
                environment.credentials()?;
                let loaded = Config::load(&Sources { file: config, environment, flags: Vec::new() })?;
                for warning in loaded.warnings {
                    out::complain(&format!("warning: {warning}"));
                }
                out::print("The configuration is well-formed.\n")?;
            }
        }
        Ok(())
    }
}
