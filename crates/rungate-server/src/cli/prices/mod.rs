//! `rungate prices`

mod activate;
mod diff;
mod list;
mod reprice;
mod show;
mod update;

/// The commands about prices.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Store a price catalogue from a file or an address, after showing what differs
    Update(update::Update),
    /// List the stored price catalogues
    List(list::List),
    /// Price requests from now on by a stored catalogue
    Activate(activate::Activate),
    /// Show the price of a model, now or at a time
    Show(show::Show),
    /// Show what differs between two price catalogues
    Diff(diff::Diff),
    /// Show what past requests would have cost at another price catalogue; changes nothing
    Reprice(reprice::Reprice),
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match self {
            Self::Update(command) => runtime.block_on(command.run()),
            Self::List(command) => runtime.block_on(command.run()),
            Self::Activate(command) => runtime.block_on(command.run()),
            Self::Show(command) => runtime.block_on(command.run()),
            Self::Diff(command) => runtime.block_on(command.run()),
            Self::Reprice(command) => runtime.block_on(command.run()),
        }
    }
}

/// Prints an answer of the API as it is.
fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    Ok(super::out::print(&format!("{}\n", serde_json::to_string_pretty(value)?))?)
}
