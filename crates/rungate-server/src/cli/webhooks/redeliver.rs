//! `rungate webhooks redeliver`

use http::Method;
use serde_json::json;

use super::{or_unknown, print_json};
use crate::cli::client::{Client, Target, encode};
use crate::cli::out;

/// Which delivery.
#[derive(Debug, clap::Args)]
pub struct Redeliver {
    /// Its id
    id: String,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Redeliver {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let path = format!("/api/v1/deliveries/{}/redeliver", encode(&self.id));
        let sent = or_unknown(client.send(Method::POST, &path, &json!({})).await, || {
            format!(
                "no delivery has the id `{}`; `rungate webhooks deliveries <webhook>` lists them",
                self.id
            )
        })?;
        if self.json {
            return print_json(&sent);
        }
        let event = sent["eventId"].as_str().unwrap_or_default();
        Ok(out::print(&format!("The event {event} is sent again.\n"))?)
    }
}
