//! `rungate prices list`

use super::print_json;
use crate::cli::client::{self, Client, Query, Target};
use crate::cli::out;
use crate::cli::render::look::{Look, LookArgs};
use crate::cli::render::prices;

/// How many.
#[derive(Debug, clap::Args)]
pub struct List {
    /// How many
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    target: Target,
}

impl List {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let query = Query::of("/api/v1/price-snapshots").with("limit", self.limit);
        let found = client.get(query.as_str()).await?;
        if self.look.json {
            return print_json(&found);
        }
        let listed: prices::Snapshots = client::read(&found)?;
        Ok(out::print(&prices::snapshots(&listed, Look::of_stdout(&self.look.colours)))?)
    }
}
