//! Backups of a server that keeps everything in PostgreSQL.

use std::fs;
use std::path::Path;
use std::time::Duration;

use http::Method;
use rungate_testkit::{Client, Server, ServerOptions, TestDatabase};
use serde_json::{Value, json};
use tokio::process::Command;

use super::backup::{BIN, Load, backup, by_id, done, refused, restore, verify};
use super::{Stage, chat};

fn on(database: &TestDatabase) -> ServerOptions {
    ServerOptions::default()
        .in_folder()
        .env("RUNGATE_STORE_URL", &database.url())
        .env("RUNGATE_JOURNAL_SEGMENT_BYTES", "64KiB")
}

fn with(mut command: Command, database: &TestDatabase) -> Command {
    command.env("RUNGATE_STORE_URL", database.url());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_database_has_what_was_acknowledged_before_it_exactly_once() {
    let Some(database) = TestDatabase::create() else { return };
    let stage = Stage::set_with(on(&database)).await;
    let budget = json!({ "scope": { "type": "workspace", "id": null }, "limitUsd": 5, "window": "total" });
    let budget = stage.server.owner().post("/api/v1/budgets", &budget).await.data();
    let outside = tempfile::tempdir().unwrap();
    let load = Load::begin(&stage.tenant.client());
    let mut taken = Vec::new();
    for (round, name) in ["tree", "archive.tar.zst", "again"].iter().enumerate() {
        load.reach(50 * (round + 1)).await;
        let (to, before) = (outside.path().join(name), load.so_far());
        let mut command = with(backup(&stage.server.data(), &to), &database);
        command.arg("--with-sealing-key");
        if round == 1 {
            // One that is killed in the middle harms nobody.
            let mut killed = with(backup(&stage.server.data(), &to), &database);
            let mut child = killed.stderr(std::process::Stdio::null()).spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
            child.kill().await.unwrap();
            let _ = fs::remove_file(&to);
        }
        done(command).await;
        done(verify(&to)).await;
        taken.push((to, before));
    }
    load.end().await;
    let original = by_id(&stage.server).await;
    for (from, before) in taken {
        let copy = TestDatabase::create().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let said = done(with(restore(&from, &folder.path().join("data")), &copy)).await;
        assert!(said.contains("The sealing key opens it"), "{said}");
        let restored = Server::start_in(Path::new(BIN), folder, on(&copy)).await;
        let rows = by_id(&restored).await;
        for id in &before {
            assert_eq!(rows.get(id), original.get(id), "{}: {id}", from.display());
        }
        let client = Client::new(&restored.origin).bearer(&stage.tenant.key);
        let body = chat("gpt-4o-mini").to_string();
        assert!(client.send(Method::POST, "/v1/chat/completions", body).await.complete);
        let after = by_id(&restored).await;
        assert_eq!(after.len(), rows.len() + 1);
        let path = format!("/api/v1/budgets/{}", budget["id"].as_str().unwrap());
        let spent = restored.owner().get(&path).await.data()["spentNanoUsd"]
            .as_str()
            .unwrap()
            .parse::<i64>()
            .unwrap();
        let cost = |row: &Value| {
            let nanos = |name: &str| row[name].as_str().map(|text| text.parse::<i64>().unwrap());
            nanos("costNanoUsd").or(nanos("reservedNanoUsd")).unwrap_or(0)
        };
        assert_eq!(spent, after.values().map(cost).sum::<i64>(), "the budget goes on where it was");
    }
    stage.audit().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_backup_of_a_database_is_said_and_leaves_nothing_behind() {
    let Some(database) = TestDatabase::create() else { return };
    let stage = Stage::set_with(on(&database)).await;
    for _ in 0..3 {
        stage.tenant.client().post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    }
    stage.audit().await;
    let outside = tempfile::tempdir().unwrap();
    let [tree, target] = ["tree", "target"].map(|name| outside.path().join(name));
    done(with(backup(&stage.server.data(), &tree), &database)).await;

    // No table is forgotten, whatever a later schema adds.
    let manifest: Value = serde_json::from_slice(&fs::read(tree.join("manifest.json")).unwrap()).unwrap();
    let copied: Vec<&str> = manifest["database"]["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    let there = database.sql("SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace");
    assert_eq!(copied.join(","), there.trim());
    assert_eq!(manifest["contents"]["exchanges"], 3);

    let copy = TestDatabase::create().unwrap();
    refused(restore(&tree, &target), "set RUNGATE_STORE_URL to an empty one").await;
    refused(with(restore(&tree, &target), &database), "is not empty").await;
    let folder = Stage::set_with(ServerOptions::default().in_folder()).await;
    let plain = outside.path().join("plain");
    done(backup(&folder.server.data(), &plain)).await;
    refused(with(restore(&plain, &target), &copy), "restore it without RUNGATE_STORE_URL").await;

    let file = tree.join("database/document.copy");
    let sound = fs::read(&file).unwrap();
    let mut damaged = sound.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&file, damaged).unwrap();
    refused(verify(&tree), "document.copy is damaged").await;
    refused(with(restore(&tree, &target), &copy), "document.copy is damaged").await;
    fs::write(&file, &sound).unwrap();
    let text = fs::read_to_string(tree.join("manifest.json")).unwrap();
    let newer = text.replacen("\"log\",\n        3", "\"log\",\n        99", 1);
    assert_ne!(newer, text);
    fs::write(tree.join("manifest.json"), newer).unwrap();
    refused(with(restore(&tree, &target), &copy), "newer than this version of Rungate knows").await;
    fs::write(tree.join("manifest.json"), &text).unwrap();
    let key = outside.path().join("key");
    fs::write(&key, "07".repeat(32)).unwrap();
    let mut wrong = with(restore(&tree, &target), &copy);
    wrong.arg("--sealing-key-file").arg(&key);
    refused(wrong, "the sealing key is not the one").await;
    assert_eq!(
        copy.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace").trim(),
        "0"
    );
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "the target stays empty");

    let said = done(with(restore(&tree, &target), &copy)).await;
    assert!(said.contains("There is NO sealing key"), "{said}");
    assert!(!target.join("database").exists());
}
