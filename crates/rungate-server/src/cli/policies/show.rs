//! `rungate policies show`

use serde_json::json;

use super::{or_unknown, print_json};
use crate::cli::client::{self, Client, Query, Target, encode};
use crate::cli::out;
use crate::cli::render::policies;

const MOST: usize = 1_000;

/// Which policy.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// Its id
    id: String,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Show {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let path = format!("/api/v1/policies/{}", encode(&self.id));
        let policy = or_unknown(client.get(&path).await, &self.id)?;
        let versions = client.list(&Query::of(&format!("{path}/versions")), MOST).await?;
        if self.json {
            return print_json(&json!({ "policy": policy, "versions": versions.rows }));
        }
        Ok(out::print(&policies::policy(&client::read(&policy)?, &versions.rows))?)
    }
}
