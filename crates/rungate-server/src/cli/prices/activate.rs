//! `rungate prices activate`

use anyhow::bail;
use http::Method;
use serde_json::{Value, json};

use super::print_json;
use crate::cli::client::{Client, Target, encode};
use crate::cli::out;

/// Which catalogue.
#[derive(Debug, clap::Args)]
pub struct Activate {
    /// Its id, or `embedded` for the one that the server was built with
    id: String,
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
        let active = activate(&client, &self.id).await?;
        if self.json {
            return print_json(&active);
        }
        let in_force = active["inForce"].as_str().unwrap_or_default();
        Ok(out::print(&format!("Requests are priced by {in_force} from now on.\n"))?)
    }
}

/// Puts a stored catalogue in force.
pub async fn activate(client: &Client, id: &str) -> anyhow::Result<Value> {
    let path = format!("/api/v1/price-snapshots/{}/activate", encode(id));
    match client.send(Method::POST, &path, &json!({})).await {
        Err(error) if error.is_not_found() => {
            bail!("no price catalogue has the id `{id}`; `rungate prices list` lists those that are stored")
        }
        done => Ok(done?),
    }
}
