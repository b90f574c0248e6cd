//! `rungate policies list`

use super::print_json;
use crate::cli::client::{Client, Query, Target};
use crate::cli::out;
use crate::cli::render::look::{Look, LookArgs};
use crate::cli::render::policies;

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
        let listed = client.list(&Query::of("/api/v1/policies"), MOST).await?;
        if self.look.json {
            return print_json(&listed.rows.into());
        }
        let table = policies::policies(&listed.read()?);
        Ok(out::print(&table.render(Look::of_stdout(&self.look.colours)))?)
    }
}
