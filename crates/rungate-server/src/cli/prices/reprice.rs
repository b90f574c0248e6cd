//! `rungate prices reprice`

use anyhow::bail;
use rungate_core::ports::Clock as _;
use rungate_core::time::Timestamp;
use std::time::Duration;

use super::print_json;
use crate::cli::client::{self, Client, Query, Target};
use crate::cli::logs::parse_ago;
use crate::cli::out;
use crate::cli::render::look::{Look, LookArgs};
use crate::cli::render::repriced::{self, Part, Whole};
use crate::clock::SystemClock;

/// Which requests, at which prices.
#[derive(Debug, clap::Args)]
pub struct Reprice {
    /// The catalogue to price by: an id, `embedded` or `active`
    #[arg(long, value_name = "ID", default_value = "active")]
    snapshot: String,
    /// Requests that came in at or after this time, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse, conflicts_with = "since")]
    from: Option<Timestamp>,
    /// And before this time
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    to: Option<Timestamp>,
    /// How far back: 12h, 30d; at most 92d
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = parse_ago)]
    since: Duration,
    /// Only of this agent: its UUID or its readable id; may be repeated, as may the next two
    #[arg(long, value_name = "AGENT")]
    agent: Vec<String>,
    /// Only of this model
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// Only of this provider
    #[arg(long, value_name = "PROVIDER")]
    provider: Vec<String>,
    /// Leave the workspace's own prices out
    #[arg(long)]
    ignore_overrides: bool,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    target: Target,
}

impl Reprice {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let query = self.query(SystemClock::new().now());
        let mut whole = Whole::default();
        let mut cursor: Option<String> = None;
        loop {
            let mut part = query.clone();
            if let Some(cursor) = &cursor {
                part = part.with("cursor", cursor);
            }
            let found = match client.get(part.as_str()).await {
                Err(error) if error.is_not_found() => {
                    let id = &self.snapshot;
                    bail!(
                        "no price catalogue has the id `{id}`; `rungate prices list` lists those that are stored"
                    )
                }
                found => found?,
            };
            let part: Part = client::read(&found)?;
            cursor.clone_from(&part.next_cursor);
            whole.add(part)?;
            if cursor.is_none() {
                break;
            }
            out::complain(&format!("{} requests priced so far …", whole.requests));
        }
        if self.look.json {
            return print_json(&whole.to_json());
        }
        Ok(out::print(&repriced::report(&whole, Look::of_stdout(&self.look.colours)))?)
    }

    fn query(&self, now: Timestamp) -> Query {
        let until = self.to.unwrap_or(now);
        let from = self.from.unwrap_or_else(|| until.minus(self.since));
        // An end is always named: the window must not move on while its parts are asked for.
        let mut query = Query::of("/api/v1/model-prices/reprice")
            .with("snapshot", &self.snapshot)
            .with("from", from)
            .with("to", until)
            .with_each("agentId", &self.agent)
            .with_each("model", &self.model)
            .with_each("provider", &self.provider);
        if self.ignore_overrides {
            query = query.with("ignoreOverrides", true);
        }
        query
    }
}
