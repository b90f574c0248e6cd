//! The store goes away under load and comes back: nothing acknowledged is lost, nothing refused was sent, memory stays
//! within its bound.
//!
//! `OUTAGE_SECONDS` asks for longer than the eight seconds of every test run, `OUTAGE_CLIENTS` for more load.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use rungate_testkit::{Client, Server, ServerOptions, Sim, Tenant, TestCluster};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::crash::all_rows;
use super::{Stage, chat, streamed};

const MIB: u64 = 1 << 20;

/// Each client sends a request this often.
const PACE: Duration = Duration::from_millis(200);

/// What the process may take beyond what it took before. What is held of the journal in memory is bounded by 8 MiB; the
/// rest is for the places of frames, caches of the database, and the allocator.
const MAY_GROW: u64 = 96 * MIB;

/// The journal's bound in the tests that reach it.
const TIGHT: u64 = 4 * MIB;

#[expect(clippy::disallowed_methods, reason = "how much is asked of the test, not of the product")]
fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A store that can be taken away from the server.
enum Store {
    /// Another process holds the write locks of the data folder.
    Folder(Vec<rusqlite::Connection>),
    /// The database server is stopped.
    Cluster(TestCluster),
}

impl Store {
    fn leave(&mut self, server: &Server) {
        match self {
            Self::Folder(locks) => {
                for path in databases(&server.data().join("log")) {
                    let held = rusqlite::Connection::open(path).unwrap();
                    held.busy_timeout(Duration::from_secs(10)).unwrap();
                    held.execute_batch("begin immediate").unwrap();
                    locks.push(held);
                }
                assert!(locks.len() > 1, "the views and the rows of today");
            }
            Self::Cluster(cluster) => cluster.stop(),
        }
    }

    fn come_back(&mut self) {
        match self {
            Self::Folder(locks) => locks.clear(),
            Self::Cluster(cluster) => cluster.resume(),
        }
    }
}

/// Every database file below a folder.
fn databases(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(databases(&path));
        } else if path.extension().is_some_and(|end| end == "db") {
            found.push(path);
        }
    }
    found
}

/// What one client saw.
#[derive(Default)]
struct Seen {
    acknowledged: Vec<String>,
    refused: u64,
}

/// The most of what was looked at again and again.
#[derive(Default)]
struct Peak {
    resident: u64,
    undrained: u64,
    is_stalled: bool,
    slowest_list: Duration,
    list_statuses: HashSet<u16>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_locked_is_waited_for() {
    let stage = Stage::set_with(bounded(1 << 32).in_folder()).await;
    endure(stage, Store::Folder(Vec::new()), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_locked_fills_the_journal_to_its_bound() {
    let stage = Stage::set_with(bounded(TIGHT).in_folder()).await;
    endure(stage, Store::Folder(Vec::new()), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_stopped_is_waited_for() {
    let Some((stage, cluster)) = on_cluster(1 << 32).await else { return };
    endure(stage, Store::Cluster(cluster), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_stopped_fills_the_journal_to_its_bound() {
    let Some((stage, cluster)) = on_cluster(TIGHT).await else { return };
    endure(stage, Store::Cluster(cluster), true).await;
}

fn bounded(journal_bytes: u64) -> ServerOptions {
    ServerOptions::default()
        .env("RUNGATE_LOG_LEVEL", "info")
        .env("RUNGATE_JOURNAL_MAX_BYTES", &journal_bytes.to_string())
        .env("RUNGATE_JOURNAL_SEGMENT_BYTES", &MIB.to_string())
}

async fn on_cluster(journal_bytes: u64) -> Option<(Stage, TestCluster)> {
    let cluster = TestCluster::start()?;
    let options = bounded(journal_bytes).in_folder().env("RUNGATE_STORE_URL", &cluster.url());
    let sim = Sim::start().await;
    let server = Server::start(Path::new(env!("CARGO_BIN_EXE_rungate")), options).await;
    let tenant = Tenant::create(&server, &sim).await;
    Some((Stage { server, sim, tenant }, cluster))
}

/// Load from before the store goes until after it is back.
async fn endure(stage: Stage, mut store: Store, is_tight: bool) {
    let (away, clients) = (Duration::from_secs(asked("OUTAGE_SECONDS", 8)), asked("OUTAGE_CLIENTS", 12));
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for number in 0..clients {
        load.spawn(send(stage.tenant.client(), Arc::clone(&stop), number, is_tight));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = stage.server.resident_bytes();
    store.leave(&stage.server);
    let peak = watch(&stage.server, away).await;
    store.come_back();
    let back = Instant::now();
    // Load goes on while the log catches up.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let caught_up_after = caught_up(&stage.server, back).await;
    stop.store(true, Ordering::Relaxed);
    let seen = load.join_all().await;
    let refused: u64 = seen.iter().map(|client| client.refused).sum();
    let acknowledged: Vec<String> = seen.into_iter().flat_map(|client| client.acknowledged).collect();
    println!(
        "store away for {away:?}: {} acknowledged, {refused} refused; resident {} MiB before, {} MiB at most, {} MiB \
         after; journal {} KiB at most; slowest list {:?} with {:?}; caught up after {caught_up_after:?}",
        acknowledged.len(),
        before / MIB,
        peak.resident / MIB,
        stage.server.resident_bytes() / MIB,
        peak.undrained / 1024,
        peak.slowest_list,
        peak.list_statuses,
    );

    assert!(peak.is_stalled, "nothing says that the log is away");
    assert!(peak.resident.saturating_sub(before) <= MAY_GROW, "grown to {} bytes", peak.resident);
    if is_tight {
        assert!(peak.undrained <= TIGHT, "{} bytes in a journal of {TIGHT}", peak.undrained);
        assert!(refused > 0, "the bound was never reached");
    } else {
        assert_eq!(refused, 0, "refused although there is room");
    }
    let sent = stage.sim.stats().await["requests_total"].as_u64().unwrap();
    assert_eq!(sent, acknowledged.len() as u64, "a refused request went upstream");
    audit(&stage, &acknowledged).await;
}

/// Sends a request each `PACE` until it is stopped.
async fn send(client: Client, stop: Arc<AtomicBool>, number: u64, is_tight: bool) -> Seen {
    let mut seen = Seen::default();
    let is_stream = number.is_multiple_of(4);
    let mut body = if is_stream { streamed("gpt-4o-mini") } else { chat("gpt-4o-mini") };
    if is_tight {
        // Large enough that the bound is reached within seconds.
        body["messages"][0]["content"] = json!(scattered(16 << 10, number));
    }
    let body = bytes::Bytes::from(body.to_string());
    let mut ticks = tokio::time::interval(PACE);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let answer = client.send(Method::POST, "/v1/chat/completions", body.clone()).await;
        if answer.status == 200 {
            assert!(answer.complete, "an answer that breaks off");
            assert!(!is_stream || answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
            seen.acknowledged.push(answer.header("alephant-id").unwrap().to_owned());
        } else {
            assert_eq!((answer.status.as_u16(), answer.error_code().as_str()), (503, "journal_unavailable"));
            assert_eq!(answer.header("retry-after"), Some("1"));
            let ready = client.get("/readyz").await.json();
            let held = &ready["components"]["journal"]["undrainedBytes"];
            let is_away = ready["components"]["log"]["status"] == "stalled";
            assert!(!is_away || held.as_u64().unwrap() >= TIGHT / 2, "refused with {held} bytes held");
            seen.refused += 1;
        }
    }
    seen
}

/// Text that does not compress to nothing.
fn scattered(bytes: usize, seed: u64) -> String {
    let mut random = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut letter = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((random >> 33) % 26).unwrap())
    };
    (0..bytes).map(|_| letter()).collect()
}

/// Looks at the server while its store is away.
async fn watch(server: &Server, away: Duration) -> Peak {
    let since = Instant::now();
    let mut peak = Peak::default();
    while since.elapsed() < away {
        peak.resident = peak.resident.max(server.resident_bytes());
        let ready = server.client().get("/readyz").await;
        assert_eq!(ready.status, 200, "degraded is still ready");
        let components = ready.json()["components"].clone();
        let undrained = components["journal"]["undrainedBytes"].as_u64().unwrap();
        peak.undrained = peak.undrained.max(undrained);
        let metrics = server.client().get("/metrics").await.text();
        let seconds =
            metrics.lines().find(|line| line.starts_with("rungate_journal_stalled_seconds ")).unwrap();
        peak.is_stalled |= components["log"]["status"] == "stalled" && !seconds.ends_with(" 0");
        let asked = Instant::now();
        let list = server.owner().get("/api/v1/requests?limit=5").await;
        peak.slowest_list = peak.slowest_list.max(asked.elapsed());
        assert!(matches!(list.status.as_u16(), 200 | 503), "{}: {}", list.status, list.text());
        peak.list_statuses.insert(list.status.as_u16());
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    peak
}

/// How long after `back` the log has everything that was there then.
async fn caught_up(server: &Server, back: Instant) -> Duration {
    loop {
        let ready = server.client().get("/readyz").await.json();
        let held = ready["components"]["journal"]["undrainedBytes"].as_u64().unwrap();
        // Under load there is always something on its way.
        if ready["components"]["log"]["status"] == "ok" && held < 64 << 10 {
            return back.elapsed();
        }
        assert!(
            back.elapsed() < Duration::from_mins(5),
            "the log does not catch up: {ready}\n{}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every acknowledged exchange is in the log once, ended and priced; nothing else is.
async fn audit(stage: &Stage, acknowledged: &[String]) {
    let rows: Vec<Value> = all_rows(&stage.server).await;
    let by_id: HashMap<&str, &Value> = rows.iter().map(|row| (row["id"].as_str().unwrap(), row)).collect();
    assert_eq!(by_id.len(), rows.len(), "a row stands twice");
    // A refusal has a row too where the journal has room for so little.
    let is_refused = |row: &&Value| row["outcome"] == "refused" && row["errorCode"] == "journal_unavailable";
    let refusals = rows.iter().filter(is_refused).count();
    assert_eq!(rows.len() - refusals, acknowledged.len(), "rows of nothing that was acknowledged");
    let mut cost = 0;
    for id in acknowledged {
        let row = by_id.get(id.as_str()).unwrap_or_else(|| panic!("{id} was acknowledged and is lost"));
        assert_eq!((&row["outcome"], &row["costStatus"]), (&json!("succeeded"), &json!("final")), "{row}");
        cost += row["costNanoUsd"].as_str().unwrap().parse::<u128>().unwrap();
    }
    let sums = stage.server.owner().get("/api/v1/analytics/rollup?granularity=all").await.data();
    assert_eq!(sums["items"][0]["requests"].as_u64(), Some(rows.len() as u64), "{sums}");
    assert_eq!(sums["items"][0]["costNanoUsd"], json!(cost.to_string()), "{sums}");
    stage.audit().await;
}
