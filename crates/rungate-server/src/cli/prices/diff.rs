//! `rungate prices diff`

use anyhow::bail;

use super::print_json;
use crate::cli::client::{self, Client, Query, Target};
use crate::cli::out;
use crate::cli::render::look::{Look, LookArgs};
use crate::cli::render::prices;

/// Which catalogues.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// The first: an id, `embedded` or `active`
    from: String,
    /// The second: the same
    #[arg(default_value = "active")]
    to: String,
    /// Only models of this provider
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    target: Target,
}

impl Diff {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let mut query =
            Query::of("/api/v1/price-snapshots/diff").with("from", &self.from).with("to", &self.to);
        if let Some(provider) = &self.provider {
            query = query.with("provider", provider);
        }
        let found = match client.get(query.as_str()).await {
            Err(error) if error.is_not_found() => {
                bail!("one of the two is not stored; `rungate prices list` lists those that are")
            }
            found => found?,
        };
        if self.look.json {
            return print_json(&found);
        }
        let difference: prices::Difference = client::read(&found)?;
        Ok(out::print(&prices::difference(&difference, Look::of_stdout(&self.look.colours)))?)
    }
}
