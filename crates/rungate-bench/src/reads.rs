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
/// Reads of each kind, however short the time.
const AT_LEAST: usize = 3;
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

/// A kind of read.
struct Kind {
    name: &'static str,
    path: fn(&Plan, &mut Random) -> String,
    /// Whether the cursor of each page is followed.
    walks: bool,
}

const fn kind(name: &'static str, path: fn(&Plan, &mut Random) -> String) -> Kind {
    Kind { name, path, walks: false }
}

/// The kinds of reads. A new one is one entry.
const KINDS: [Kind; 11] = [
    kind(LOOKUP, |plan, random| format!("/api/v1/requests/{}", plan.request_id(random.below(plan.requests)))),
    kind("newest page", |_, _| format!("/api/v1/requests?limit={LIMIT}")),
    kind("page of any day", |plan, random| {
        format!("/api/v1/requests?limit={LIMIT}&to={}", any_time(plan, random))
    }),
    Kind {
        name: "deep cursor, over all days",
        path: |plan, random| {
            let (to, from) = (any_time(plan, random), first_day(plan));
            format!("/api/v1/requests?limit={LIMIT}&from={from}&to={to}")
        },
        walks: true,
    },
    kind("one agent's requests, over all days", |plan, random| {
        let (agent, from) = (random.pick(&AGENTS), first_day(plan));
        format!("/api/v1/requests?limit={LIMIT}&agentId={agent}&from={from}")
    }),
    kind("requests that failed, over all days", |plan, random| {
        let (to, from) = (any_time(plan, random), first_day(plan));
        format!("/api/v1/requests?limit={LIMIT}&status=error&from={from}&to={to}")
    }),
    kind("a run's requests, over all days", |plan, random| {
        let (run, from) = (plan.run_id(random.below(plan.runs())), first_day(plan));
        format!("/api/v1/requests?limit={LIMIT}&runId={run}&from={from}")
    }),
    kind("by property and model, over all days", |plan, random| {
        let (to, from) = (any_time(plan, random), first_day(plan));
        format!(
            "/api/v1/requests?limit={LIMIT}&property.environment=staging&model=gpt-4o&from={from}&to={to}"
        )
    }),
    kind("page of runs", |plan, random| format!("/api/v1/runs?limit={LIMIT}&to={}", any_time(plan, random))),
    kind("page of sessions", |plan, random| {
        format!("/api/v1/sessions?limit={LIMIT}&to={}", any_time(plan, random))
    }),
    kind("text that many contain, a day", |plan, random| {
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
    KINDS.iter().map(|kind| timed(reads, kind)).collect()
}

fn timed(reads: &Reads, kind: &Kind) -> Result<Timed> {
    let name = kind.name;
    let mut control = Control::new(reads.target, &reads.token);
    let mut random = Random::new(reads.plan.seed);
    let mut nanos = Vec::new();
    let mut list = (kind.path)(&reads.plan, &mut random);
    let mut path = list.clone();
    // The first read after a start opens files.
    control.get(&path)?;
    let end = Instant::now() + reads.each;
    while nanos.len() < AT_LEAST || Instant::now() < end {
        let start = Instant::now();
        let (status, body) = control.get(&path)?;
        let took = start.elapsed();
        if status != 200 {
            bail!("{name}: GET {path}: {status} {}", String::from_utf8_lossy(body));
        }
        let items = Items::of(body).with_context(|| format!("{name}: GET {path}"))?;
        if items.count == 0 && name != LOOKUP && nanos.is_empty() {
            bail!("{name}: GET {path} finds nothing");
        }
        nanos.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        let next = items.next.filter(|_| kind.walks && !random.next().is_multiple_of(WALK));
        path = if let Some(cursor) = next {
            format!("{list}&cursor={cursor}")
        } else {
            list = (kind.path)(&reads.plan, &mut random);
            list.clone()
        };
    }
    Ok(Timed { read: name.to_owned(), count: nanos.len() as u64, latency_us: Percentiles::of_nanos(nanos) })
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
