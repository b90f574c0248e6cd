//! `rungate budgets`

mod delete;
mod list;
mod set;

/// The commands about budgets.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the budgets of the workspace, with what is spent
    List(list::List),
    /// Set a budget, or change the one that the scope has for that window
    Set(set::Set),
    /// Delete a budget; what was spent stays in the log
    Delete(delete::Delete),
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match self {
            Self::List(command) => runtime.block_on(command.run()),
            Self::Set(command) => runtime.block_on(command.run()),
            Self::Delete(command) => runtime.block_on(command.run()),
        }
    }
}
