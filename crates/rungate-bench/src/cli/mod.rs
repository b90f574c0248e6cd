//! The command line. Each command is one file.

mod generate;
mod load;
mod pipeline;
mod proxy;
mod read;
mod report;
mod run;
mod traffic;
mod upstream;

use std::io::Write as _;

use clap::Parser;

/// Measures Rungate against nginx on this machine.
#[derive(Debug, Parser)]
#[command(name = "rungate-bench")]
enum Command {
    Run(run::Command),
    Report(report::Command),
    Upstream(upstream::Command),
    Load(load::Command),
    Generate(generate::Command),
    Read(read::Command),
    Pipeline(pipeline::Command),
    Proxy(proxy::Command),
}

/// Runs the command that was asked for.
pub fn run() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Run(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Upstream(command) => command.run(),
        Command::Load(command) => command.run(),
        Command::Generate(command) => command.run(),
        Command::Read(command) => command.run(),
        Command::Pipeline(command) => command.run(),
        Command::Proxy(command) => command.run(),
    }
}

/// Prints a line for whoever started the command.
fn print(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
