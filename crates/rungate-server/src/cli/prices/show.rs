//! `rungate prices show`

use super::print_json;
use crate::cli::client::{self, Client, Query, Target};
use crate::cli::out;
use crate::cli::render::look::{Look, LookArgs};
use crate::cli::render::prices;

/// Which model, and when.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The model, as provider/model
    model: String,
    /// The price of this time, such as 2026-11-01T00:00:00Z, instead of now
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The price in this catalogue: an id, `embedded` or `active`
    #[arg(long, value_name = "ID", default_value = "active")]
    snapshot: String,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    target: Target,
}

impl Show {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let mut query = Query::of("/api/v1/model-prices/resolve")
            .with("model", &self.model)
            .with("snapshot", &self.snapshot);
        if let Some(at) = &self.at {
            query = query.with("at", at);
        }
        let found = client.get(query.as_str()).await?;
        if self.look.json {
            return print_json(&found);
        }
        let price: prices::Resolved = client::read(&found)?;
        Ok(out::print(&prices::resolved(&price, Look::of_stdout(&self.look.colours)))?)
    }
}
