//! A clock that jumps. Skipped, and said so, where libfaketime is not installed.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rungate_core::time::Timestamp;
use rungate_testkit::ServerOptions;
use serde_json::{Value, json};

use super::crash::all_rows;
use super::{Stage, chat};

/// Where distributions put it.
fn library() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let paths = folders.iter().map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"));
    let found = paths.into_iter().find(|path| path.exists());
    if found.is_none() {
        println!(
            "SKIPPED, NOT TESTED WITH A CLOCK THAT JUMPS: libfaketime is not installed (apt-get install faketime)"
        );
    }
    found
}

/// A server whose wall clock is set by a file.
struct Jumping {
    stage: Stage,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Jumping {
    async fn start() -> Option<Self> {
        let library = library()?;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("offset");
        fs::write(&file, "+0").unwrap();
        let options = ServerOptions::default()
            .env("LD_PRELOAD", library.to_str().unwrap())
            .env("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Some(Self { stage: Stage::set_with(options).await, file, _folder: folder })
    }

    fn jump(&self, offset: &str) {
        // Read at each look at the clock, so it must never be seen half written.
        let new = self.file.with_extension("new");
        fs::write(&new, offset).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    async fn send(&self, model: &str) -> Value {
        let answer = self.stage.tenant.client().post("/v1/chat/completions", &chat(model)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.stage.ended_row(answer.header("alephant-id").unwrap()).await
    }
}

fn time(row: &Value, name: &str) -> Timestamp {
    Timestamp::parse(row[name].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn ids_lists_latencies_and_sums_stand_a_clock_that_jumps() {
    let Some(server) = Jumping::start().await else { return };
    let owner = server.stage.server.owner();
    let revoked = owner.post("/api/v1/virtual-keys", &json!({ "label": "gone" })).await.data();
    let path = format!("/api/v1/virtual-keys/{}", revoked["id"].as_str().unwrap());
    assert!(owner.send(http::Method::DELETE, &path, String::new()).await.status.is_success());

    let mut sent = vec![server.send("gpt-4o-mini").await];
    for offset in ["+1d", "-1h", "-20h", "+0", "+400d", "+0"] {
        server.jump(offset);
        for _ in 0..3 {
            sent.push(server.send("gpt-4o-mini").await);
        }
        let key = server.stage.server.client().bearer(revoked["fullToken"].as_str().unwrap());
        let answer = key.post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
        assert_eq!(answer.status, 401, "a revoked key came back");
    }
    // In the middle of an answer, forwards and back.
    for offset in ["+1d", "+0"] {
        let (row, ()) = tokio::join!(server.send("gpt-4o-mini+latency=800"), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            server.jump(offset);
        });
        let latency = row["latencyMs"].as_u64().unwrap();
        assert!((790..30_000).contains(&latency), "{latency} ms");
        sent.push(row);
    }

    let ids: HashSet<&str> = sent.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), sent.len(), "an id was given twice");
    let listed = all_rows(&server.stage.server).await;
    let of_sent: Vec<&Value> =
        listed.iter().filter(|row| ids.contains(row["id"].as_str().unwrap())).collect();
    // Rows that lie ahead come first; none is hidden.
    assert_eq!(of_sent.len(), sent.len(), "rows are missing in the list");
    assert!(of_sent.is_sorted_by(|a, b| time(a, "createdAt") >= time(b, "createdAt")), "{of_sent:?}");
    for row in &sent {
        let of_day = format!("from={}&to={}", day(row, 0), day(row, 1));
        let sums = owner.get(&format!("/api/v1/analytics/rollup?granularity=all&{of_day}")).await.data();
        let same_day = listed.iter().filter(|other| day(other, 0) == day(row, 0)).count();
        assert_eq!(sums["items"][0]["requests"], same_day, "{of_day}: {sums}");
    }
}

fn day(row: &Value, later: i32) -> String {
    time(row, "createdAt").day().plus(later).start().to_string()
}

#[tokio::test]
async fn a_clock_that_is_a_year_ahead_at_the_start_drops_nothing() {
    let Some(mut server) = Jumping::start().await else { return };
    let row = server.send("gpt-4o-mini").await;
    assert_eq!(server.stage.server.stop().await, Some(0));
    server.jump("+365d");
    server.stage.server.restart().await;
    server.send("gpt-4o-mini").await;
    let since = std::time::Instant::now();
    while !server.stage.server.log().contains("nothing was logged in the days before today") {
        assert!(since.elapsed() < Duration::from_secs(20), "{}", server.stage.server.log());
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(
        server.stage.row(row["id"].as_str().unwrap()).await["id"],
        row["id"],
        "dropped by a wrong clock"
    );
}
