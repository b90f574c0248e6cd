//! `rungate webhooks`

mod deliveries;
mod list;
mod redeliver;
mod test;

use serde_json::Value;

use super::client::ClientError;

/// The commands about webhooks.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the webhooks of the workspace
    List(list::List),
    /// Send a test event to a webhook, and show what came of it
    Test(test::Test),
    /// Show what was left for a webhook, and what became of it
    Deliveries(deliveries::Deliveries),
    /// Send a delivery again
    Redeliver(redeliver::Redeliver),
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match self {
            Self::List(command) => runtime.block_on(command.run()),
            Self::Test(command) => runtime.block_on(command.run()),
            Self::Deliveries(command) => runtime.block_on(command.run()),
            Self::Redeliver(command) => runtime.block_on(command.run()),
        }
    }
}

/// Prints an answer of the API as it is.
fn print_json(value: &Value) -> anyhow::Result<()> {
    Ok(super::out::print(&format!("{}\n", serde_json::to_string_pretty(value)?))?)
}

/// Says of what is not there where to find what is.
fn or_unknown<T>(found: Result<T, ClientError>, unknown: impl FnOnce() -> String) -> anyhow::Result<T> {
    found.map_err(|error| if error.is_not_found() { anyhow::anyhow!(unknown()) } else { error.into() })
}

fn no_webhook(id: &str) -> String {
    format!("no webhook has the id `{id}`; `rungate webhooks list` lists those that there are")
}
