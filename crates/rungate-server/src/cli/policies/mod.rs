//! `rungate policies`

mod activate;
mod list;
mod show;
mod test;

use serde_json::Value;

use super::client::ClientError;

/// The commands about policies.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the policies of the workspace
    List(list::List),
    /// Show a policy with its saved versions
    Show(show::Show),
    /// Put a saved version in force
    Activate(activate::Activate),
    /// Say what policies would do: with a request from a file, or with the requests of the past
    Test(test::Test),
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match self {
            Self::List(command) => runtime.block_on(command.run()),
            Self::Show(command) => runtime.block_on(command.run()),
            Self::Activate(command) => runtime.block_on(command.run()),
            Self::Test(command) => runtime.block_on(command.run()),
        }
    }
}

/// Prints an answer of the API as it is.
fn print_json(value: &Value) -> anyhow::Result<()> {
    Ok(super::out::print(&format!("{}\n", serde_json::to_string_pretty(value)?))?)
}

/// Says of a policy that is not there where to find those that are.
fn or_unknown<T>(found: Result<T, ClientError>, id: &str) -> anyhow::Result<T> {
    found.map_err(|error| {
        if error.is_not_found() {
            anyhow::anyhow!("no policy has the id `{id}`; `rungate policies list` lists those that there are")
        } else {
            error.into()
        }
    })
}
