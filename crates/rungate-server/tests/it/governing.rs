//! `rungate budgets` and `rungate policies` through the binary.

use std::path::Path;

use rungate_testkit::{OWNER_TOKEN, Server, ServerOptions, Sim, Tenant};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::client::PATIENCE;

const BIN: &str = env!("CARGO_BIN_EXE_rungate");

async fn rungate(server: &Server, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(BIN);
    command
        .env_clear()
        .envs([("RUNGATE_URL", server.origin.as_str()), ("RUNGATE_TOKEN", OWNER_TOKEN)])
        .args(arguments)
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("an end").unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn budgets_are_set_changed_listed_and_deleted() {
    let server = Server::start(Path::new(BIN), ServerOptions::default()).await;
    let (ok, set) = rungate(&server, &["budgets", "set", "12.50", "--thresholds", "50,100"]).await;
    assert!(ok && set.contains("$12.500000") && set.contains("monthly"), "{set}");
    let (ok, changed) = rungate(&server, &["budgets", "set", "20", "--action", "clamp", "--json"]).await;
    let changed: Value = serde_json::from_str(&changed).unwrap();
    assert!(ok && changed["limitNanoUsd"] == "20000000000" && changed["action"] == "clamp", "{changed}");
    let (ok, runs) = rungate(&server, &["budgets", "set", "1", "--scope", "run", "--window", "total"]).await;
    assert!(ok && runs.contains("each run"), "{runs}");
    let (ok, listed) = rungate(&server, &["budgets", "list"]).await;
    assert!(ok && listed.lines().count() == 3 && listed.contains("workspace"), "{listed}");
    let id = changed["id"].as_str().unwrap();
    let (ok, deleted) = rungate(&server, &["budgets", "delete", id]).await;
    assert!(ok && deleted.contains("deleted"), "{deleted}");
    let (ok, gone) = rungate(&server, &["budgets", "delete", id]).await;
    assert!(!ok && gone.contains("rungate budgets list"), "{gone}");
    for (arguments, why) in [
        (&["budgets", "set", "-1"][..], "unexpected argument"),
        (&["budgets", "set", "much"], "limitUsd"),
        (&["budgets", "set", "1", "--scope", "planet"], "scope"),
        (&["budgets", "set", "1", "--window", "hourly"], "window"),
    ] {
        let (ok, said) = rungate(&server, arguments).await;
        assert!(!ok && said.contains(why), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_policy_is_tried_on_a_file_and_on_the_past_and_then_put_in_force() {
    let server = Server::start(Path::new(BIN), ServerOptions::default()).await;
    let sim = Sim::start().await;
    let tenant = Tenant::create(&server, &sim).await;
    let body = json!({"name": "no o1", "type": "model_access", "config": {"denyModels": ["o1"]}});
    let policy = server.owner().post("/api/v1/policies", &body).await.data();
    let id = policy["id"].as_str().unwrap();
    let chat = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]});
    assert_eq!(tenant.client().post("/v1/chat/completions", &chat).await.status, 200);
    let draft = json!({"config": {"denyModels": ["gpt-4o*"]}, "draft": true}).to_string();
    let path = format!("/api/v1/policies/{id}");
    assert!(server.owner().send(http::Method::PATCH, &path, draft).await.status.is_success());

    let (ok, listed) = rungate(&server, &["policies", "list"]).await;
    assert!(ok && listed.contains(id) && listed.contains("in force"), "{listed}");
    let (ok, shown) = rungate(&server, &["policies", "show", id]).await;
    assert!(ok && shown.contains("version 1 (in force)") && shown.contains("gpt-4o*"), "{shown}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("request.json");
    std::fs::write(&file, chat.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let (ok, said) = rungate(&server, &["policies", "test", "--request", file]).await;
    assert!(ok && said.starts_with("Allowed."), "{said}");
    let tried = ["policies", "test", "--request", file, "--policy", id, "--version", "2"];
    let (ok, said) = rungate(&server, &tried).await;
    assert!(ok && said.starts_with("Refused by \"no o1\""), "{said}");
    let past = ["policies", "test", "--policy", id, "--version", "2", "--from", "2020-01-01T00:00:00Z"];
    let (ok, said) = rungate(&server, &past).await;
    assert!(ok && said.starts_with("1 request looked at: 0 the same, 1 newly refused"), "{said}");
    let (ok, said) = rungate(&server, &["policies", "activate", id, "2"]).await;
    assert!(ok && said.contains("is in force"), "{said}");
    assert_eq!(tenant.client().post("/v1/chat/completions", &chat).await.status, 403);
    for (arguments, why) in [
        (&["policies", "test"][..], "on what?"),
        (&["policies", "activate", id, "9"], "version"),
        (&["policies", "show", "018f7f83-2a7a-7f1a-9b2f-2f2b21e8a007"], "rungate policies list"),
        (&["policies", "test", "--request", "/nowhere.json"], "/nowhere.json"),
    ] {
        let (ok, said) = rungate(&server, arguments).await;
        assert!(!ok && said.contains(why), "{arguments:?}: {said}");
    }
}
