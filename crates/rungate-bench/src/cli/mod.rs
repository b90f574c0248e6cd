//! The command line. Each command is one file.

mod load;
mod upstream;

use std::io::Write as _;

use clap::Parser;

/// Measures Rungate against nginx on this machine.
#[derive(Debug, Parser)]
#[command(name = "rungate-bench")]
enum Command {
    Load(load::Command),
    Upstream(upstream::Command),
}

/// Runs the command that was asked for.
pub fn run() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Load(command) => command.run(),
        Command::Upstream(command) => command.run(),
    }
}

/// Prints a line for whoever started the command.
fn print(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
