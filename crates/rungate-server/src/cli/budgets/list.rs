//! `rungate budgets list`

use crate::cli::client::{Client, Query, Target};
use crate::cli::out;
use crate::cli::render::budgets;
use crate::cli::render::look::{Look, LookArgs};

const MOST: usize = 1_000;

/// How to show them.
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    target: Target,
}

impl List {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let listed = client.list(&Query::of("/api/v1/budgets"), MOST).await?;
        if self.look.json {
            let rows = serde_json::to_string_pretty(&listed.rows)?;
            return Ok(out::print(&format!("{rows}\n"))?);
        }
        let table = budgets::budgets(&listed.read()?);
        Ok(out::print(&table.render(Look::of_stdout(&self.look.colours)))?)
    }
}
