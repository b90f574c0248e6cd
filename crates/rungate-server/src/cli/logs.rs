//! `rungate logs`

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rungate_core::ports::Clock as _;
use rungate_core::time::Timestamp;
use serde_json::{Value, json};

use crate::cli::client::{self, Client, ClientError, Query, Target, encode};
use crate::cli::out;
use crate::cli::render::look::{Look, LookArgs};
use crate::cli::render::request;
use crate::cli::render::row::Request;
use crate::cli::render::table::{Layout, Table};
use crate::cli::render::text;
use crate::clock::SystemClock;

/// Between two looks for new requests.
const PAUSE: Duration = Duration::from_secs(1);
/// Rows may become readable a little out of order; so far back is looked again.
const OVERLAP: Duration = Duration::from_secs(10);
/// At most so many rows are taken in one look.
const MAX_ROWS: usize = 2_000;

/// The commands about requests.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show the latest requests, oldest first, and with --follow those that come
    Tail(Tail),
    /// Show one request in full
    Get(Get),
}

/// Which requests.
#[derive(Debug, clap::Args)]
pub struct Tail {
    /// Keep on: print each request when it ends
    #[arg(short, long)]
    follow: bool,
    /// Only of this run; may be repeated, as may the other filters
    #[arg(long, value_name = "RUN_ID")]
    run: Vec<String>,
    /// Only of this session
    #[arg(long, value_name = "SESSION_ID")]
    session: Vec<String>,
    /// Only of this agent: its UUID or its readable id
    #[arg(long, value_name = "AGENT")]
    agent: Vec<String>,
    /// Only of this model
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// Only with this status: 200, 4xx, 5xx or `error`
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
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

/// Which request.
#[derive(Debug, clap::Args)]
pub struct Get {
    /// Its id (`alephant-id`), or the `x-request-id` that was sent with it
    id: String,
    /// Show the stored bodies too
    #[arg(long)]
    bodies: bool,
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
            Self::Tail(tail) => runtime.block_on(tail.run()),
            Self::Get(get) => runtime.block_on(get.run()),
        }
    }
}

/// Reads `30m`, `12h`, `7d`.
pub fn parse_ago(text: &str) -> Result<Duration, String> {
    let rule = || format!("`{text}` is no time such as 30m, 12h or 7d");
    let unit = text.chars().last().ok_or_else(rule)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(rule()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| rule())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(rule)
}

impl Tail {
    async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let look = Look::of_stdout(&self.look.colours);
        let from = SystemClock::new().now().minus(self.since);
        let listed = client.list(&self.query(from), self.limit).await?;
        let rows: Vec<Value> = listed.rows.into_iter().rev().collect();
        if !self.follow {
            return self.once(&rows, look);
        }
        let mut seen = Seen::new();
        let ended = seen.ended(rows)?;
        seen.begin(SystemClock::new().now());
        let printer = Printer::new(self.look.json, look, &ended)?;
        let mut reads_on = printer.print(&ended)?;
        while reads_on {
            tokio::time::sleep(PAUSE).await;
            let rows = match client.list(&self.query(seen.from()), MAX_ROWS).await {
                Ok(listed) => listed.rows.into_iter().rev().collect(),
                // A server that is being restarted comes back.
                Err(ClientError::NotRunning { .. } | ClientError::Broken { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            reads_on = printer.print(&seen.ended(rows)?)?;
        }
        Ok(())
    }

    fn once(&self, rows: &[Value], look: Look) -> anyhow::Result<()> {
        if self.look.json {
            return Ok(out::print(&lines(rows))?);
        }
        if rows.is_empty() {
            out::complain("No requests match. --since 7d looks further back.");
            return Ok(());
        }
        let requests: Vec<Request> = rows.iter().map(client::read).collect::<Result<_, _>>()?;
        Ok(out::print(&request::table(&requests).render(look))?)
    }

    fn query(&self, from: Timestamp) -> Query {
        Query::of("/api/v1/requests")
            .with("order", "desc")
            .with("from", from)
            .with_each("runId", &self.run)
            .with_each("sessionId", &self.session)
            .with_each("agentId", &self.agent)
            .with_each("model", &self.model)
            .with_each("status", &self.status)
    }
}

/// Which requests were printed, and from where on to look for others.
#[derive(Default)]
struct Seen {
    /// Printed, by when they started.
    printed: HashMap<String, Timestamp>,
    oldest: Option<Timestamp>,
    newest: Timestamp,
    oldest_pending: Option<Timestamp>,
    /// Nothing before it is of interest.
    start: Timestamp,
}

impl Seen {
    fn new() -> Self {
        Self::default()
    }

    /// What is older than the rows so far was not asked for.
    fn begin(&mut self, now: Timestamp) {
        self.start = self.oldest.unwrap_or(now);
    }

    fn from(&self) -> Timestamp {
        let recent = self.newest.minus(OVERLAP);
        self.oldest_pending.map_or(recent, |pending| pending.min(recent)).max(self.start)
    }

    /// Of `rows`, those that have ended and were not here before.
    fn ended(&mut self, rows: Vec<Value>) -> Result<Vec<Value>, ClientError> {
        let mut fresh = Vec::new();
        self.oldest_pending = None;
        for row in rows {
            let request: Request = client::read(&row)?;
            let at = request.created_at.unwrap_or(self.newest);
            self.newest = self.newest.max(at);
            self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
            if request.is_pending() {
                self.oldest_pending = Some(self.oldest_pending.map_or(at, |oldest| oldest.min(at)));
            } else if self.printed.insert(request.id, at).is_none() {
                fresh.push(row);
            }
        }
        let from = self.from();
        self.printed.retain(|_, at| *at >= from);
        Ok(fresh)
    }
}

/// Prints rows that come bit by bit under one heading.
struct Printer {
    layout: Option<Layout>,
}

impl Printer {
    fn new(json: bool, look: Look, first: &[Value]) -> anyhow::Result<Self> {
        if json {
            return Ok(Self { layout: None });
        }
        let mut requests: Vec<Request> = first.iter().map(client::read).collect::<Result<_, _>>()?;
        // Room for what will come.
        requests.push(Request {
            id: "0".repeat(36),
            run_id: Some("0".repeat(16)),
            agent_external_id: Some("0".repeat(20)),
            model: Some("0".repeat(20)),
            status: Some(200),
            outcome: Some("succeeded".to_owned()),
            error_code: Some("0".repeat(12)),
            created_at: Some(Timestamp::default()),
            latency_ms: Some(99_999),
            tokens: Some(super::render::row::Tokens {
                input: Some(99_999),
                output: Some(9_999),
                ..Default::default()
            }),
            cost_nano_usd: Some(rungate_core::money::NanoUsd::from_nanos(123_456_789)),
            ..Request::default()
        });
        let layout = request::table(&requests).layout(look, true);
        out::print(&layout.headings())?;
        Ok(Self { layout: Some(layout) })
    }

    fn print(&self, rows: &[Value]) -> anyhow::Result<bool> {
        let Some(layout) = &self.layout else { return Ok(out::offer(&lines(rows))?) };
        let mut table = Table::new(request::COLUMNS);
        for row in rows {
            table.push(request::cells(&client::read(row)?));
        }
        Ok(out::offer(&table.lines(layout))?)
    }
}

fn lines(rows: &[Value]) -> String {
    rows.iter().flat_map(|row| [row.to_string(), "\n".to_owned()]).collect()
}

impl Get {
    async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let path = format!("/api/v1/requests/{}", encode(&self.id));
        let found = match client.get(&path).await {
            Err(error) if error.is_not_found() => bail!(
                "no request has the id or x-request-id `{}`; `rungate logs tail` lists the latest",
                self.id
            ),
            found => found?,
        };
        let request: Request = client::read(&found)?;
        let bodies = if self.bodies {
            // By our own id: an x-request-id may stand for several.
            Some(client.get(&format!("/api/v1/requests/{}/bodies", encode(&request.id))).await?)
        } else {
            None
        };
        if self.look.json {
            let answer =
                bodies.map_or_else(|| found.clone(), |bodies| json!({"request": found, "bodies": bodies}));
            return Ok(out::print(&format!("{}\n", serde_json::to_string_pretty(&answer)?))?);
        }
        let mut shown = request::detail(&request, Look::of_stdout(&self.look.colours));
        let others = found["matches"].as_u64().unwrap_or(1).saturating_sub(1);
        if others > 0 {
            shown += "\nThis is the newest with this x-request-id; there are others: ";
            shown += &text::count(others, "request");
            shown.push('\n');
        }
        if let Some(bodies) = bodies {
            shown += &body("request", &bodies["request"])?;
            shown += &body("response", &bodies["response"])?;
        }
        Ok(out::print(&shown)?)
    }
}

/// A stored body, indented where it is JSON.
fn body(name: &str, body: &Value) -> anyhow::Result<String> {
    let text = match body {
        Value::Null => "(not stored)".to_owned(),
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(json) => serde_json::to_string_pretty(&json).context("a body cannot be shown")?,
            Err(_) => text.clone(),
        },
        json => serde_json::to_string_pretty(json).context("a body cannot be shown")?,
    };
    Ok(format!("\n{name}\n{}\n", text::clean_lines(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, second: u32, outcome: &str) -> Value {
        json!({"id": id, "createdAt": format!("2026-11-23T16:05:{second:02}.000Z"), "outcome": outcome})
    }

    fn ids(rows: &[Value]) -> Vec<&str> {
        rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn each_request_is_printed_once_and_when_it_has_ended() {
        let mut seen = Seen::new();
        let first =
            seen.ended(vec![row("a", 10, "succeeded"), row("b", 11, "pending"), row("c", 40, "refused")]);
        assert_eq!(ids(&first.unwrap()), ["a", "c"]);
        seen.begin(Timestamp::default());
        // The one that goes on holds the window open.
        assert_eq!(seen.from(), Timestamp::parse("2026-11-23T16:05:11Z").unwrap());
        let second = seen.ended(vec![
            row("b", 11, "client_closed"),
            row("c", 40, "refused"),
            row("d", 41, "succeeded"),
        ]);
        assert_eq!(ids(&second.unwrap()), ["b", "d"]);
        assert_eq!(seen.from(), Timestamp::parse("2026-11-23T16:05:31Z").unwrap());
        assert!(seen.ended(vec![row("c", 40, "refused"), row("d", 41, "succeeded")]).unwrap().is_empty());
        assert_eq!(seen.printed.len(), 2, "what lies before the window is forgotten");
    }

    #[test]
    fn following_starts_with_what_was_asked_for() {
        let at = |second| Timestamp::parse(&format!("2026-11-23T16:05:{second:02}Z")).unwrap();
        let mut seen = Seen::new();
        assert_eq!(seen.ended(vec![row("a", 30, "succeeded")]).unwrap().len(), 1);
        seen.begin(at(50));
        assert_eq!(seen.from(), at(30));
        let mut nothing = Seen::new();
        nothing.begin(at(50));
        assert_eq!(nothing.from(), at(50));
    }

    #[test]
    fn times_back_are_read() {
        assert_eq!(parse_ago("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_ago("12h"), Ok(Duration::from_hours(12)));
        for wrong in ["", "h", "5", "-1d", "5 d", "1w", "ä", "99999999999999999999d", "999999999999999999d"]
        {
            assert!(parse_ago(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bodies_are_indented_or_as_they_are() {
        assert_eq!(body("request", &json!("{\"a\":1}")).unwrap(), "\nrequest\n{\n  \"a\": 1\n}\n");
        assert_eq!(body("response", &json!("data: x\n\u{1b}")).unwrap(), "\nresponse\ndata: x\n·\n");
        assert_eq!(body("response", &Value::Null).unwrap(), "\nresponse\n(not stored)\n");
    }
}
