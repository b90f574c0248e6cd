//! `rungate runs`

use std::time::Duration;

use anyhow::bail;
use rungate_core::ports::Clock as _;
use serde_json::Value;

use crate::cli::client::{self, Client, ClientError, Query, Target, encode};
use crate::cli::logs::parse_ago;
use crate::cli::out;
use crate::cli::render::look::{Look, LookArgs};
use crate::cli::render::row::{Request, Run};
use crate::cli::render::run;
use crate::clock::SystemClock;

/// At most so many steps of a run are shown.
const MAX_STEPS: usize = 1_000;

/// The commands about runs.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the latest runs
    List(List),
    /// Show one run: its steps in time, and what they add up to
    Show(Show),
}

/// Which runs.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only with this agent: its UUID or its readable id; may be repeated, as may the next two
    #[arg(long, value_name = "AGENT")]
    agent: Vec<String>,
    /// Only of this session
    #[arg(long, value_name = "SESSION_ID")]
    session: Vec<String>,
    /// Only with this status: running, idle, completed, failed or cancelled
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// Only with errors
    #[arg(long)]
    errors: bool,
    /// How many
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// How far back: 30m, 12h, 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_ago)]
    since: Duration,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    target: Target,
}

/// Which run.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// Its run id (`Alephant-Run-Id`), or Rungate's own id of it
    run: String,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    target: Target,
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match self {
            Self::List(list) => runtime.block_on(list.run()),
            Self::Show(show) => runtime.block_on(show.run()),
        }
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let from = SystemClock::new().now().minus(self.since);
        let mut query = Query::of("/api/v1/runs")
            .with("from", from)
            .with_each("agentId", &self.agent)
            .with_each("sessionId", &self.session)
            .with_each("status", &self.status);
        if self.errors {
            query = query.with("hasErrors", true);
        }
        let listed = client.list(&query, self.limit).await?;
        if self.look.json {
            return Ok(out::print(&format!("{}\n", serde_json::to_string_pretty(&listed.rows)?))?);
        }
        if listed.rows.is_empty() {
            out::complain("No runs match. --since 7d looks further back.");
            return Ok(());
        }
        Ok(out::print(&run::table(&listed.read()?).render(Look::of_stdout(&self.look.colours)))?)
    }
}

impl Show {
    async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let found = match client.get(&format!("/api/v1/runs/{}", encode(&self.run))).await {
            Err(error) if error.is_not_found() => {
                bail!("no run has the id `{}`; `rungate runs list` lists the latest", self.run)
            }
            found => found?,
        };
        if self.look.json {
            return Ok(out::print(&format!("{}\n", serde_json::to_string_pretty(&found)?))?);
        }
        Ok(out::print(&timeline(&client, &found, Look::of_stdout(&self.look.colours)).await?)?)
    }
}

/// The timeline of a run that `GET /runs/{id}` answered.
pub async fn timeline(client: &Client, found: &Value, look: Look) -> Result<String, ClientError> {
    let run: Run = client::read(found)?;
    // Without a start the API would look at the last day alone.
    let from = run.started_at.map_or_else(|| "1970-01-01T00:00:00Z".to_owned(), |start| start.to_string());
    let query =
        Query::of("/api/v1/requests").with("runId", &run.run_id).with("order", "asc").with("from", from);
    let listed = client.list(&query, MAX_STEPS).await?;
    let steps: Vec<Request> = listed.read()?;
    Ok(run::timeline(&run, &steps, listed.more, look))
}
