//! Reads of the log through the control API, one after another, each timed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rungate_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::figures::Percentiles;
use crate::random::Random;
use crate::target::LOOKUP;
use crate::traffic::{AGENTS, Plan};

/// Items of a page.
const LIMIT: u32 = 50;
/// The cursor is followed this far before the walk begins anew elsewhere.
const WALK: u64 = 40;
const DAY: Duration = Duration::from_hours(24);

/// What is read, of which log, for how long.
#[derive(Debug, Clone)]
pub struct Reads {
    /// The server.
    pub target: SocketAddr,
    /// The owner's token.
    pub token: String,
    /// The traffic that the log was filled with.
    pub plan: Plan,
    /// For each kind of read.
    pub each: Duration,
}

/// How long reads of one kind took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Timed {
    /// Which kind.
    pub read: String,
    /// How many.
    pub count: u64,
    /// How long.
    pub latency_us: Percentiles,
}

/// Makes the path of the next read. It is given the cursor of the page before, if there was one.
type Next = fn(&Plan, &mut Random, Option<&str>) -> String;

/// The kinds of reads. A new one is one line.
const KINDS: [(&str, Next); 11] = [
    (LOOKUP, |plan, random, _| format!("/api/v1/requests/{}", plan.request_id(random.below(plan.requests)))),
    ("newest page", |_, _, _| format!("/api/v1/requests?limit={LIMIT}")),
    ("page of any day", |plan, random, _| {
        let to = any_time(plan, random);
        format!("/api/v1/requests?limit={LIMIT}&to={to}")
    }),
    ("deep cursor, over all days", |plan, random, cursor| {
        let to = any_time(plan, random);
        let from = first_day(plan);
        let place = cursor
            .map_or_else(|| format!("&to={to}"), |cursor| format!("&to={}&cursor={cursor}", plan.until));
        format!("/api/v1/requests?limit={LIMIT}&from={from}{place}")
    }),
    ("one agent's requests, over all days", |plan, random, _| {
        let (agent, from) = (random.pick(&AGENTS), first_day(plan));
        format!("/api/v1/requests?limit={LIMIT}&agentId={agent}&from={from}")
    }),
    ("requests that failed, over all days", |plan, random, _| {
        let (to, from) = (any_time(plan, random), first_day(plan));
        format!("/api/v1/requests?limit={LIMIT}&status=error&from={from}&to={to}")
    }),
    ("a run's requests, over all days", |plan, random, _| {
        let (run, from) = (plan.run_id(random.below(plan.runs())), first_day(plan));
        format!("/api/v1/requests?limit={LIMIT}&runId={run}&from={from}")
    }),
    ("by property and model, over all days", |plan, random, _| {
        let (to, from) = (any_time(plan, random), first_day(plan));
        format!(
            "/api/v1/requests?limit={LIMIT}&property.environment=staging&model=gpt-4o&from={from}&to={to}"
        )
    }),
    ("page of runs", |plan, random, _| format!("/api/v1/runs?limit={LIMIT}&to={}", any_time(plan, random))),
    ("page of sessions", |plan, random, _| {
        format!("/api/v1/sessions?limit={LIMIT}&to={}", any_time(plan, random))
    }),
    ("text that many contain, a day", |plan, random, _| {
        format!("/api/v1/requests?limit={LIMIT}&q=warehouse&to={}", any_time(plan, random))
    }),
];

fn first_day(plan: &Plan) -> Timestamp {
    plan.until.minus(DAY * plan.days)
}

/// A time of the traffic, with at least a day before it.
fn any_time(plan: &Plan, random: &mut Random) -> Timestamp {
    let seconds = u64::from(plan.days.saturating_sub(1)) * 86_400;
    plan.until.minus(Duration::from_secs(random.below(seconds.max(1))))
}

/// Reads.
pub fn run(reads: &Reads) -> Result<Vec<Timed>> {
    KINDS.iter().map(|(read, next)| timed(reads, read, *next)).collect()
}

fn timed(reads: &Reads, read: &str, next: Next) -> Result<Timed> {
    let mut control = Control::new(reads.target, &reads.token);
    let mut random = Random::new(reads.plan.seed);
    let mut nanos = Vec::new();
    let mut cursor: Option<String> = None;
    let end = Instant::now() + reads.each;
    while nanos.is_empty() || Instant::now() < end {
        let path = next(&reads.plan, &mut random, cursor.as_deref());
        let start = Instant::now();
        let (status, body) = control.get(&path)?;
        let took = start.elapsed();
        if status != 200 {
            bail!("{read}: GET {path}: {status} {}", String::from_utf8_lossy(body));
        }
        let items = Items::of(body).with_context(|| format!("{read}: GET {path}"))?;
        if items.count == 0 && read != LOOKUP && nanos.is_empty() {
            bail!("{read}: GET {path} finds nothing");
        }
        cursor = items.next.filter(|_| !random.next().is_multiple_of(WALK));
        nanos.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
    Ok(Timed { read: read.to_owned(), count: nanos.len() as u64, latency_us: Percentiles::of_nanos(nanos) })
}

/// What of a page matters here.
struct Items {
    count: usize,
    next: Option<String>,
}

impl Items {
    fn of(body: &[u8]) -> Result<Self> {
        let body: serde_json::Value = serde_json::from_slice(body)?;
        let list = &body["data"];
        let next = list["nextCursor"].as_str().map(str::to_owned);
        Ok(Self { count: list["data"].as_array().map_or(0, Vec::len), next })
    }
}
