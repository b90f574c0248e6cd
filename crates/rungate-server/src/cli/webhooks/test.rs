//! `rungate webhooks test`

use anyhow::ensure;
use http::Method;
use serde_json::json;

use super::{no_webhook, or_unknown, print_json};
use crate::cli::client::{self, Client, Target, encode};
use crate::cli::out;
use crate::cli::render::webhooks::{self, Delivery};

/// Which webhook.
#[derive(Debug, clap::Args)]
pub struct Test {
    /// Its id
    id: String,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Test {
    /// Runs it. Fails where the receiver did not take the event.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let path = format!("/api/v1/webhooks/{}/test", encode(&self.id));
        let sent = or_unknown(client.send(Method::POST, &path, &json!({})).await, || no_webhook(&self.id))?;
        let delivery: Delivery = client::read(&sent)?;
        if self.json {
            print_json(&sent)?;
        } else {
            out::print(&webhooks::outcome(&delivery))?;
        }
        ensure!(delivery.status == "delivered", "the receiver did not take the event");
        Ok(())
    }
}
