//! The commands that ask a running server, as processes of their own.

use std::path::Path;
use std::process::Output;

use rungate_testkit::{OWNER_TOKEN, Server, ServerOptions, Sim, Tenant};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::client::PATIENCE;

const BIN: &str = env!("CARGO_BIN_EXE_rungate");

async fn run(environment: &[(&str, &str)], arguments: &[&str]) -> (Output, String) {
    let mut command = Command::new(BIN);
    command.env_clear().envs(environment.iter().copied()).args(arguments).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("an end").unwrap();
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    (output, printed)
}

#[tokio::test]
async fn the_demo_finds_its_own_run_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let temporary_path = temporary.path().to_str().unwrap();
    let (output, printed) =
        run(&[("DEMO_EXIT", "1"), ("TMPDIR", temporary_path)], &["demo", "--listen", "127.0.0.1:0"]).await;
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((printed.matches('✓').count(), printed.matches('✗').count()), (7, 0), "{printed}");
    assert!(!printed.contains("unknown") && !printed.contains('\u{1b}'), "{printed}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_demo_keeps_a_folder_that_it_was_given_and_asks_for_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["demo", "--exit", "--listen", "127.0.0.1:0", "--data", folder.path().to_str().unwrap()];
    let (output, printed) = run(&[], &arguments).await;
    assert!(output.status.success(), "{printed}");
    assert!(folder.path().join("sealing.key").exists());
    let (output, _) = run(&[], &arguments).await;
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && complaint.contains("--token"), "{complaint}");
}

#[tokio::test]
async fn requests_and_runs_are_shown_as_they_are_in_the_api() {
    let server = Server::start(Path::new(BIN), ServerOptions::default()).await;
    let sim = Sim::start().await;
    let tenant = Tenant::create(&server, &sim).await;
    let chat = |model: &str| json!({ "model": model, "messages": [{ "role": "user", "content": "Hello" }] });
    let client = tenant.client().with("alephant-run-id", "run one").with("x-request-id", "first");
    assert_eq!(client.post("/v1/chat/completions", &chat("gpt-4o-mini")).await.status, 400);
    let client = tenant.client().with("alephant-run-id", "run_1").with("x-request-id", "second");
    assert_eq!(client.post("/v1/chat/completions", &chat("gpt-4o-mini")).await.status, 200);
    assert_eq!(client.post("/v1/chat/completions", &chat("my-own-model")).await.status, 200);

    let environment = [("RUNGATE_URL", server.origin.as_str()), ("RUNGATE_TOKEN", OWNER_TOKEN)];
    let show = async |arguments: &[&str]| {
        let (output, printed) = run(&environment, arguments).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        printed
    };
    let rows: Vec<Value> = show(&["logs", "tail", "--json"]).await.lines().map(parse).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(
        (&rows[0]["errorCode"], &rows[2]["requestedModel"]),
        (&json!("invalid_header"), &json!("my-own-model"))
    );
    let errors = show(&["logs", "tail", "--status", "4xx"]).await;
    assert!(errors.contains("400 invalid_header") && !errors.contains("my-own-model"), "{errors}");

    let one = show(&["logs", "get", "second", "--bodies"]).await;
    assert!(one.contains("unknown") && one.contains("there are others: 1 request"), "{one}");
    assert!(one.contains("\"content\": \"Hello\""), "{one}");

    let run_1 = show(&["runs", "show", "run_1"]).await;
    assert!(run_1.contains("+ unknown (1 request without a known cost)"), "{run_1}");
    assert_eq!(parse(&show(&["runs", "show", "run_1", "--json"]).await)["requests"], 2);
    assert!(show(&["runs", "list"]).await.contains("run_1"));
    assert_eq!(parse(&show(&["doctor", "--json"]).await)["ok"], true);

    let (output, _) = run(&environment, &["runs", "show", "none"]).await;
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && complaint.contains("no run has the id `none`"), "{complaint}");
    let (output, printed) = run(&environment[..1], &["doctor"]).await;
    assert!(output.status.code() == Some(1) && printed.contains("✗ token"), "{printed}");
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
