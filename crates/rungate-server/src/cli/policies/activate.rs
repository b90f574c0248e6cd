//! `rungate policies activate`

use http::Method;
use serde_json::json;

use super::{or_unknown, print_json};
use crate::cli::client::{Client, Target, encode};
use crate::cli::out;

/// Which version of which policy.
#[derive(Debug, clap::Args)]
pub struct Activate {
    /// Its id
    id: String,
    /// The number of the version; `rungate policies show` lists them
    version: u64,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Activate {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let path = format!("/api/v1/policies/{}/activate", encode(&self.id));
        let body = json!({ "version": self.version });
        let active = or_unknown(client.send(Method::POST, &path, &body).await, &self.id)?;
        if self.json {
            return print_json(&active);
        }
        let name = active["name"].as_str().unwrap_or_default();
        Ok(out::print(&format!("Version {} of \"{name}\" is in force.\n", self.version))?)
    }
}
