//! `rungate prices` against a running server: a catalogue is stored, put in force and kept over a restart; what was paid
//! stays as it was, and pricing again says so.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use rungate_testkit::{OWNER_TOKEN, Server, ServerOptions, Sim, Tenant};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::client::PATIENCE;

const BIN: &str = env!("CARGO_BIN_EXE_rungate");

struct Shell {
    url: String,
}

impl Shell {
    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(BIN);
        command.env_clear().env("RUNGATE_URL", &self.url).env("RUNGATE_TOKEN", OWNER_TOKEN);
        command.arg("prices").args(arguments).kill_on_drop(true);
        command.stdin(std::process::Stdio::null());
        tokio::time::timeout(PATIENCE, command.output()).await.expect("an end").unwrap()
    }

    async fn show(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.show(&[arguments, &["--json"]].concat()).await).unwrap()
    }

    async fn complaint(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }
}

async fn chat(tenant: &Tenant) -> String {
    let body = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]});
    let answer = tenant.client().post("/v1/chat/completions", &body).await;
    assert_eq!(answer.status, 200);
    answer.headers["alephant-id"].to_str().unwrap().to_owned()
}

async fn row(server: &Server, id: &str) -> Value {
    server.owner().get(&format!("/api/v1/requests/{id}")).await.data()
}

#[tokio::test]
async fn new_prices_count_from_when_they_are_chosen_and_change_nothing_before() {
    let mut server = Server::start(Path::new(BIN), ServerOptions::default()).await;
    let sim = Sim::start().await;
    let tenant = Tenant::create(&server, &sim).await;
    let shell = Shell { url: server.origin.clone() };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prices.json");
    let file = file.to_str().unwrap();
    let catalogue = json!({"snapshotId": "dear", "models": [
        {"provider": "openai", "id": "gpt-4o-mini", "mode": "chat", "prices": {"inputPerMTok": "100", "outputPerMTok": "200"}}]});
    std::fs::write(file, catalogue.to_string()).unwrap();

    let first = chat(&tenant).await;
    let before = row(&server, &first).await;
    let embedded = before["priceSnapshotId"].as_str().unwrap().to_owned();

    // Looking stores nothing, and nobody is there to be asked.
    assert!(shell.show(&["update", file, "--dry-run"]).await.contains("openai/gpt-4o-mini"));
    assert!(shell.complaint(&["update", file]).await.contains("--yes"));
    assert_eq!(shell.json(&["list"]).await["data"].as_array().unwrap().len(), 1, "what the build carries");
    let stored = shell.json(&["update", file, "--yes"]).await;
    let id = stored["snapshot"]["id"].as_str().unwrap().to_owned();
    assert!(stored["warnings"][0].as_str().unwrap().contains("are gone"), "{stored}");

    let same = shell.json(&["reprice"]).await;
    assert_eq!(
        (&same["total"]["differenceNanoUsd"], &same["mostDifferent"]),
        (&json!("0"), &json!([])),
        "{same}"
    );
    assert_eq!(same["total"]["costThenNanoUsd"], before["costNanoUsd"]);

    assert!(shell.show(&["activate", &id]).await.contains(&id));
    let asked = Instant::now();
    let second = chat(&tenant).await;
    let after = row(&server, &second).await;
    assert!(asked.elapsed() < Duration::from_secs(30));
    assert_eq!(after["priceSnapshotId"], json!(id), "in force when the command ends");
    let tokens = |row: &Value, kind: &str| row["tokens"][kind].as_i64().unwrap();
    let expected = tokens(&after, "input") * 100_000 + tokens(&after, "output") * 200_000;
    assert_eq!(after["costNanoUsd"], json!(expected.to_string()));
    assert_eq!(row(&server, &first).await, before, "what was paid stays");

    // Each catalogue prices its own rows again as they were.
    let then = |report: &Value, side: &str| report["total"][side].as_str().unwrap().parse::<i64>().unwrap();
    let report = shell.json(&["reprice", "--snapshot", &id, "--model", "gpt-4o-mini"]).await;
    let paid = |row: &Value| row["costNanoUsd"].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!(report["requests"], 2);
    assert_eq!(then(&report, "costThenNanoUsd"), paid(&before) + paid(&after));
    assert_eq!(then(&report, "differenceNanoUsd"), expected - paid(&before));
    assert_eq!(report["mostDifferent"][0]["id"], json!(first));
    let report = shell.json(&["reprice", "--snapshot", "embedded"]).await;
    assert_eq!(then(&report, "differenceNanoUsd"), paid(&before) - expected);
    assert!(shell.show(&["reprice", "--snapshot", "embedded"]).await.contains("Nothing was changed."));
    assert!(shell.complaint(&["reprice", "--snapshot", "none"]).await.contains("prices list"));
    let none = shell.json(&["reprice", "--provider", "anthropic"]).await;
    assert_eq!(none["requests"], 0);

    let diff = shell.show(&["diff", "embedded", &id, "--provider", "openai"]).await;
    assert!(diff.contains("inputPerMTok") && diff.contains("+66566.67 %"), "{diff}");
    let shown = shell.show(&["show", "openai/gpt-4o-mini"]).await;
    assert!(shown.contains("$100") && shown.contains(&id), "{shown}");

    assert_eq!(server.stop().await, Some(0));
    server.restart().await;
    let third = chat(&tenant).await;
    assert_eq!(row(&server, &third).await["priceSnapshotId"], json!(id), "a restart keeps the choice");
    assert!(shell.show(&["list"]).await.contains(&format!("Requests are priced by {id}.")));

    shell.show(&["activate", "embedded"]).await;
    let fourth = chat(&tenant).await;
    assert_eq!(row(&server, &fourth).await["priceSnapshotId"], json!(embedded));
    assert!(shell.complaint(&["activate", "none"]).await.contains("prices list"));
}

#[tokio::test]
async fn files_that_are_no_price_list_are_refused_before_anything_is_sent() {
    let shell = Shell { url: "http://127.0.0.1:9".to_owned() };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    for (file, why) in [
        (write("empty", b""), "EOF"),
        (write("text", b"hello"), "expected value"),
        (write("binary", &[0xff, 0xfe, 0]), "is not text"),
        (write("other", b"{\"a\": 1}"), ""),
        (folder.path().join("missing").to_str().unwrap().to_owned(), "cannot be read"),
        ("http://example.com/prices.json".to_owned(), "https only"),
        ("ftp://example.com/prices.json".to_owned(), "is no address of a file"),
    ] {
        let complaint = shell.complaint(&["update", &file, "--yes"]).await;
        assert!(complaint.contains(why) && !complaint.contains("no server answers"), "{file}: {complaint}");
    }
}
