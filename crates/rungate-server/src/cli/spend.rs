//! `rungate spend`

use rungate_core::time::Timestamp;
use serde_json::Value;

use crate::cli::client::{self, Client, Query, Target};
use crate::cli::out;
use crate::cli::render::look::{Look, LookArgs};
use crate::cli::render::spend::{self, Sums};
use crate::cli::rollups::parse_day;

/// What was spent, of the last 30 days where no time is given.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// By agent, `run_agent`, `virtual_key`, member, `provider_key`, provider, model or property:KEY
    #[arg(long, value_name = "WHAT", default_value = "agent")]
    by: String,
    /// One row per hour or day instead of one for all: hour, day or all
    #[arg(long, value_name = "BUCKET", default_value = "all")]
    granularity: String,
    /// From this day or time on: 2026-11-01, 2026-11-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<Timestamp>,
    /// Before this day or time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<Timestamp>,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    target: Target,
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    parse_day(text)
        .map(rungate_core::time::Day::start)
        .or_else(|_| Timestamp::parse(text))
        .map_err(|_| format!("`{text}` is no day or time such as 2026-11-01 or 2026-11-01T12:00:00Z"))
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.ask())
    }

    async fn ask(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let found = client.get(self.query().as_str()).await?;
        if self.look.json {
            return Ok(out::print(&format!("{}\n", serde_json::to_string_pretty(&found)?))?);
        }
        let Value::Array(items) = &found["items"] else { return Ok(()) };
        if items.is_empty() {
            out::complain("Nothing was spent in this time. --from 2026-01-01 looks further back.");
            return Ok(());
        }
        let sums: Vec<Sums> = items.iter().map(client::read).collect::<Result<_, _>>()?;
        let by_time = self.granularity != "all";
        Ok(out::print(&spend::table(&sums, by_time).render(Look::of_stdout(&self.look.colours)))?)
    }

    fn query(&self) -> Query {
        let mut query = Query::of("/api/v1/analytics/rollup")
            .with("groupBy", &self.by)
            .with("granularity", &self.granularity);
        for (name, time) in [("from", self.from), ("to", self.to)] {
            if let Some(time) = time {
                query = query.with(name, time);
            }
        }
        query
    }
}
