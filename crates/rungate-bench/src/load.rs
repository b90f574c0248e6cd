//! Sends requests and times the answers: one thread per connection, which blocks. That costs the machine no more than an
//! event loop would, and a thread that sleeps wakes within some ten microseconds, where a timer of an event loop is a
//! millisecond coarse.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::figures::Percentiles;
use crate::http::Connection;
use crate::prompt::{Conversation, PromptSize, Sender, StreamShape};

/// A thread does little, and there may be a thousand.
const STACK_BYTES: usize = 256 << 10;

/// What is sent, and how fast.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where to.
    pub target: SocketAddr,
    /// As whom.
    pub sender: Sender,
    /// Connections, each with one request at a time.
    pub connections: u64,
    /// Requests a second over all connections; without it, each connection sends when it has its answer.
    pub rate: Option<u32>,
    /// For how long requests are begun. Each connection sends at least one.
    pub duration: Duration,
    /// How large bodies are.
    pub size: PromptSize,
    /// Asks for streams.
    pub stream: Option<StreamShape>,
    /// Makes ids unlike those of other loads.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Answers with a 2xx status that came to their end.
    pub answers: u64,
    /// Everything else.
    pub failures: u64,
    /// The first failure.
    pub first_failure: Option<String>,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Events of streams.
    pub chunks: u64,
    /// From the time a request was due to the end of its answer.
    pub latency_us: Percentiles,
    /// From the time a request was due to the first byte of its answer's body.
    pub first_byte_us: Percentiles,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    latencies: Vec<u64>,
    first_bytes: Vec<u64>,
    failures: u64,
    first_failure: Option<String>,
    chunks: u64,
}

/// Sends it. Fails when nothing was answered.
pub fn run(load: &Load) -> Result<Outcome> {
    let start = Instant::now();
    let due = AtomicU64::new(0);
    let due = &due;
    let seen: Vec<Seen> = thread::scope(|scope| {
        let threads = (0..load.connections).map(|number| {
            thread::Builder::new()
                .name("load".to_owned())
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, move || connection(load, number, start, due))
        });
        let threads: Vec<_> = threads.collect::<std::io::Result<_>>()?;
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a connection's thread panicked")))
            .collect::<Result<_>>()
    })?;
    let outcome = sum(seen, start.elapsed());
    if outcome.answers == 0 {
        bail!("nothing was answered: {}", outcome.first_failure.unwrap_or_default());
    }
    Ok(outcome)
}

fn connection(load: &Load, number: u64, start: Instant, due: &AtomicU64) -> Seen {
    let mut seen = Seen::default();
    let mut conversation = Conversation::new(load.sender.clone(), load.size, load.stream, load.seed, number);
    let end = start + load.duration;
    let mut connection = None;
    stagger(load, number);
    loop {
        let from = match load.rate {
            None => Instant::now(),
            Some(rate) => match wait_for_turn(start, end, rate, due) {
                Some(from) => from,
                None => return seen,
            },
        };
        if let Err(error) = exchange(load, &mut connection, &mut conversation, from, &mut seen) {
            connection = None;
            seen.failures += 1;
            seen.first_failure.get_or_insert_with(|| format!("{error:#}"));
            // Whoever refuses connections is not asked in a tight loop.
            thread::sleep(Duration::from_millis(10));
        }
        if load.rate.is_none() && Instant::now() >= end {
            return seen;
        }
    }
}

/// Streams begin one after another within the pace of their chunks, so that not all have their chunk at once.
fn stagger(load: &Load, number: u64) {
    if let Some(StreamShape { pace_ms, .. }) = load.stream
        && load.rate.is_none()
    {
        thread::sleep(Duration::from_micros(u64::from(pace_ms) * 1_000 * number / load.connections));
    }
}

/// Takes the next turn and waits for it. When a request is late because all connections were taken, that is the answerer's
/// doing: it counts from when it was due. When the thread merely woke late, it counts from then.
fn wait_for_turn(start: Instant, end: Instant, rate: u32, due: &AtomicU64) -> Option<Instant> {
    let turn = due.fetch_add(1, Ordering::Relaxed);
    let at = start + Duration::from_nanos(turn * 1_000_000_000 / u64::from(rate));
    if at >= end {
        return None;
    }
    let early = at.saturating_duration_since(Instant::now());
    if early.is_zero() {
        return Some(at);
    }
    thread::sleep(early);
    Some(Instant::now())
}

fn exchange(
    load: &Load,
    connection: &mut Option<Connection>,
    conversation: &mut Conversation,
    from: Instant,
    seen: &mut Seen,
) -> Result<()> {
    let (head, body) = conversation.next_request();
    let open = match connection {
        Some(open) => open,
        None => connection.insert(Connection::open(load.target).context("cannot connect")?),
    };
    let answer = open.exchange(head, body).context("no answer")?;
    if !(200..300).contains(&answer.status) {
        bail!(
            "{}: {}",
            answer.status,
            String::from_utf8_lossy(open.body()).chars().take(300).collect::<String>()
        );
    }
    let nanos = |until: Instant| u64::try_from(until.duration_since(from).as_nanos()).unwrap_or(u64::MAX);
    seen.latencies.push(nanos(answer.end));
    seen.first_bytes.push(nanos(answer.first_byte));
    if load.stream.is_some() {
        seen.chunks += memchr::memmem::find_iter(open.body(), b"data: {").count() as u64;
        if memchr::memmem::rfind(open.body(), b"data: [DONE]").is_none() {
            bail!("a stream without its end");
        }
    }
    if !answer.keeps_alive {
        *connection = None;
    }
    Ok(())
}

fn sum(all: Vec<Seen>, elapsed: Duration) -> Outcome {
    let mut outcome = Outcome { seconds: elapsed.as_secs_f64(), ..Outcome::default() };
    let (mut latencies, mut first_bytes) = (Vec::new(), Vec::new());
    for seen in all {
        latencies.extend(seen.latencies);
        first_bytes.extend(seen.first_bytes);
        outcome.failures += seen.failures;
        outcome.chunks += seen.chunks;
        outcome.first_failure = outcome.first_failure.or(seen.first_failure);
    }
    outcome.answers = latencies.len() as u64;
    outcome.latency_us = Percentiles::of_nanos(latencies);
    outcome.first_byte_us = Percentiles::of_nanos(first_bytes);
    outcome
}
