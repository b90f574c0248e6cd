//! The command line: one file per command, and one line in [`Command`].

mod backup;
mod budgets;
pub mod client;
mod completions;
mod config;
mod demo;
mod doctor;
mod erase;
mod logs;
mod openapi;
pub mod out;
mod owner_token;
mod policies;
mod prices;
pub mod render;
mod rollups;
mod runs;
mod sealing_key;
mod serve;
mod sim;
mod spend;
mod webhooks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The gateway every AI agent run goes through: identified, priced, checked, paid for and never lost.
#[derive(Debug, Parser)]
#[command(name = "rungate", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the gateway and its control API
    Serve(serve::Command),
    /// Serve a simulated provider, for trying things out
    Sim(sim::Command),
    /// Start a gateway, a simulated provider and an agent that uses them
    Demo(demo::Command),
    /// Show requests
    #[command(subcommand)]
    Logs(logs::Command),
    /// Show runs
    #[command(subcommand)]
    Runs(runs::Command),
    /// Show, update and compare price catalogues
    #[command(subcommand)]
    Prices(prices::Command),
    /// Erase what a user, a session or a run said, and keep what it cost
    Erase(erase::Command),
    /// Show what was spent, by agent, model, key or a property
    Spend(spend::Command),
    /// Show, set and delete budgets
    #[command(subcommand)]
    Budgets(budgets::Command),
    /// Show policies, try them out, put a version in force
    #[command(subcommand)]
    Policies(policies::Command),
    /// Show webhooks and their deliveries, try one out, send a delivery again
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// Check the sums of requests against their rows, or make them anew
    #[command(subcommand)]
    Rollups(rollups::Command),
    /// Check what would keep requests from being served
    Doctor(doctor::Command),
    /// Back up the data folder, also while a server runs on it
    Backup(backup::Backup),
    /// Make a data folder from a backup
    Restore(backup::Restore),
    /// Replace a lost owner token
    #[command(subcommand)]
    OwnerToken(owner_token::Command),
    /// Replace the key that seals secrets, check it, or begin anew without it
    #[command(subcommand)]
    SealingKey(sealing_key::Command),
    /// Check the configuration, or print an example of it
    #[command(subcommand)]
    Config(config::Command),
    /// Print the description of the API (OpenAPI 3.1)
    Openapi(openapi::Command),
    /// Print the completion script of a shell
    Completions(completions::Command),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(command) => command.run(),
        Command::Sim(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::Logs(command) => command.run(),
        Command::Runs(command) => command.run(),
        Command::Prices(command) => command.run(),
        Command::Erase(command) => command.run(),
        Command::Spend(command) => command.run(),
        Command::Budgets(command) => command.run(),
        Command::Policies(command) => command.run(),
        Command::Webhooks(command) => command.run(),
        Command::Rollups(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Backup(command) => command.run(),
        Command::Restore(command) => command.run(),
        Command::OwnerToken(command) => command.run(),
        Command::SealingKey(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Openapi(command) => command.run(),
        Command::Completions(command) => command.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
