//! `rungate completions`

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::{Cli, out};

/// Prints the completion script of a shell.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The shell
    shell: Shell,
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "rungate", &mut script);
        Ok(out::print(&String::from_utf8_lossy(&script))?)
    }
}
