//! `rungate webhooks deliveries`

use super::{no_webhook, or_unknown, print_json};
use crate::cli::client::{Client, Query, Target, encode};
use crate::cli::out;
use crate::cli::render::look::{Look, LookArgs};
use crate::cli::render::webhooks;

/// Which of them.
#[derive(Debug, clap::Args)]
pub struct Deliveries {
    /// The id of the webhook
    id: String,
    /// Only those that are pending, delivered or dead
    #[arg(long, value_parser = ["pending", "delivered", "dead"])]
    status: Vec<String>,
    /// How many
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=2_000))]
    limit: u16,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    target: Target,
}

impl Deliveries {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let path = format!("/api/v1/webhooks/{}/deliveries", encode(&self.id));
        let query = Query::of(&path).with_each("status", &self.status);
        let listed = or_unknown(client.list(&query, usize::from(self.limit)).await, || no_webhook(&self.id))?;
        if self.look.json {
            return print_json(&listed.rows.into());
        }
        let table = webhooks::deliveries(&listed.read()?);
        Ok(out::print(&table.render(Look::of_stdout(&self.look.colours)))?)
    }
}
