//! Files that are damaged while the server is down: found, named, survived.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use http::Method;
use rungate_testkit::{Server, ServerOptions, Sim, Tenant};
use serde_json::{Value, json};
use tokio::process::Command;

use super::crash::all_rows;
use super::{Stage, chat};

const BIN: &str = env!("CARGO_BIN_EXE_rungate");

/// The first bytes of every frame of the journal, and where a frame says that it is a closing.
const FRAME: [u8; 4] = [0xF5, b'R', b'G', b'J'];
const KIND_AT: usize = 4 + 1;
const CLOSED: u8 = 2;
const FRAME_HEADER_BYTES: usize = 44;

async fn stage() -> Stage {
    Stage::set_with(ServerOptions::default().in_folder()).await
}

/// Sends so many requests one after the other; the ids of their answers.
async fn acknowledged(stage: &Stage, requests: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..requests {
        let mut body = chat("gpt-4o-mini");
        body["messages"][0]["content"] = json!(format!("This is question {number}."));
        let answer = stage.tenant.client().post("/v1/chat/completions", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        ids.push(answer.header("alephant-id").unwrap().to_owned());
    }
    ids
}

/// Ends the server with these exchanges in its journal and not in its log; gives the journal's newest file.
async fn left_in_the_journal(stage: &mut Stage, requests: usize) -> (Vec<String>, PathBuf) {
    let first = acknowledged(stage, 1).await;
    stage.ended_row(&first[0]).await;
    let lock = rusqlite::Connection::open(stage.server.data().join("log/views.db")).unwrap();
    lock.execute_batch("begin immediate").unwrap();
    let ids = acknowledged(stage, requests).await;
    stage.server.kill().await;
    drop(lock);
    let journal = stage.server.data().join("journal");
    let segments = fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path());
    let newest = segments.filter(|path| path.extension().is_some_and(|end| end == "seg")).max();
    (ids, newest.unwrap())
}

/// Where the closings begin in a file of the journal, the last one last.
fn closings(bytes: &[u8]) -> Vec<usize> {
    let starts = bytes.windows(FRAME.len()).enumerate().filter(|(_, window)| *window == FRAME);
    starts.map(|(at, _)| at).filter(|at| bytes[at + KIND_AT] == CLOSED).collect()
}

/// Flips one bit.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// What `rungate doctor` says of damage.
async fn doctor(server: &Server) -> String {
    let mut command = Command::new(BIN);
    command.args(["doctor", "--json", "--data"]).arg(server.data());
    command.args(["--url", &server.origin]).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["check"] == "damage").unwrap();
    format!("{} {}", check["state"].as_str().unwrap(), check["detail"].as_str().unwrap())
}

/// The exchanges are all in the log once; the outcomes of those that did not succeed, by their place among them.
async fn not_succeeded(server: &Server, ids: &[String]) -> Vec<(usize, String)> {
    let rows = all_rows(server).await;
    let mut others = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        let of_id: Vec<&Value> = rows.iter().filter(|row| row["id"] == id.as_str()).collect();
        assert_eq!(of_id.len(), 1, "{id} is there {} times", of_id.len());
        if of_id[0]["outcome"] != "succeeded" {
            others.push((place, of_id[0]["outcome"].as_str().unwrap().to_owned()));
        }
    }
    others
}

#[tokio::test]
async fn a_torn_end_of_the_journal_is_cut_off_and_its_exchange_is_interrupted() {
    let mut stage = stage().await;
    let (ids, journal) = left_in_the_journal(&mut stage, 6).await;
    let bytes = fs::read(&journal).unwrap();
    fs::write(&journal, &bytes[..bytes.len() - 100]).unwrap();
    named_and_served(&mut stage, &ids, 5, "torn by a crash").await;
}

#[tokio::test]
async fn garbage_over_the_end_of_the_journal_takes_one_exchange() {
    let mut stage = stage().await;
    let (ids, journal) = left_in_the_journal(&mut stage, 6).await;
    let mut bytes = fs::read(&journal).unwrap();
    let last = *closings(&bytes).last().unwrap();
    for (number, byte) in bytes[last + 20..].iter_mut().enumerate() {
        *byte = u8::try_from(number * 31 % 251).unwrap();
    }
    bytes.extend([0x5A; 3000]);
    fs::write(&journal, bytes).unwrap();
    named_and_served(&mut stage, &ids, 5, "damaged on disk").await;
}

#[tokio::test]
async fn a_flipped_bit_in_the_middle_of_the_journal_takes_one_exchange() {
    let mut stage = stage().await;
    let (ids, journal) = left_in_the_journal(&mut stage, 6).await;
    let starts = closings(&fs::read(&journal).unwrap());
    // The file begins with the exchanges that came before.
    flip(&journal, starts[starts.len() - 3] + FRAME_HEADER_BYTES + 60);
    named_and_served(&mut stage, &ids, 3, "damaged on disk").await;
}

/// After a restart the damaged exchange is interrupted, all others are whole, and the damage is told of.
async fn named_and_served(stage: &mut Stage, ids: &[String], damaged: usize, said: &str) {
    stage.server.restart().await;
    assert_eq!(not_succeeded(&stage.server, ids).await, [(damaged, "interrupted".to_owned())]);
    let log = stage.server.log();
    assert!(log.contains("the journal has bytes that are no intact frame") && log.contains(said), "{log}");
    let found = doctor(&stage.server).await;
    assert!(found.starts_with("warning put aside: journal/damaged-"), "{found}");
    let again = acknowledged(stage, 2).await;
    assert_eq!(not_succeeded(&stage.server, &again).await, []);
}

#[tokio::test]
async fn a_flipped_bit_among_the_bodies_takes_the_bodies_of_its_block_alone() {
    let mut stage = stage().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let id = acknowledged(&stage, 1).await.remove(0);
        // In the log before the next one comes, so that each has a block of its own.
        stage.ended_row(&id).await;
        ids.push(id);
    }
    assert_eq!(stage.server.stop().await, Some(0));
    let log = stage.server.data().join("log");
    let mut names = fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
    let segment = names.find(|path| path.extension().is_some_and(|end| end == "seg")).unwrap();
    flip(&segment, 40);
    stage.server.restart().await;

    let mut statuses = Vec::new();
    for id in &ids {
        let answer = stage.server.owner().get(&format!("/api/v1/requests/{id}/bodies")).await;
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses, [500, 200, 200, 200]);
    let log = stage.server.log();
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(log.contains("bodies cannot be read") && log.contains(name) && log.contains(&ids[0]), "{log}");
    assert_eq!(not_succeeded(&stage.server, &ids).await, []);
}

#[tokio::test]
async fn a_flipped_bit_in_the_rows_of_a_day_puts_the_day_aside() {
    let mut stage = stage().await;
    let before = acknowledged(&stage, 40).await;
    stage.ended_row(before.last().unwrap()).await;
    assert_eq!(stage.server.stop().await, Some(0));
    let log = stage.server.data().join("log");
    let is_rows = |path: &PathBuf| path.to_string_lossy().contains("rows-");
    let rows = fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).find(is_rows).unwrap();
    // The kind of the page of the schema, behind the header of the file.
    flip(&rows, 100);
    stage.server.restart().await;

    let refused = stage.server.owner().get("/api/v1/requests").await;
    assert_eq!((refused.status.as_u16(), refused.error_code().as_str()), (503, "unavailable"));
    let after = acknowledged(&stage, 3).await;
    assert_eq!(not_succeeded(&stage.server, &after).await, []);
    let said = stage.server.log();
    assert!(said.contains("the rows of a day are damaged: they were moved aside"), "{said}");
    let found = doctor(&stage.server).await;
    assert!(found.starts_with("warning put aside: log/rows-") && found.ends_with(".db.damaged"), "{found}");
    // What was counted by the hour and by the day is kept elsewhere.
    let sums = stage.server.owner().get("/api/v1/analytics/rollup?granularity=all").await.data();
    assert_eq!(sums["items"][0]["requests"], before.len() + after.len(), "{sums}");
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // A file system of its own, of 48 MiB, that is gone with the server.
    let (disk, script) = (folder.path().join("data"), folder.path().join("rungate"));
    let text = format!(
        "#!/bin/sh\nmkdir -p {0} && exec unshare --user --map-root-user --mount sh -c \
         'mount -t tmpfs -o size=48m,mode=700 rungate {0} && exec {BIN} \"$@\"' rungate \"$@\"\n",
        disk.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let may = Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]).status().await;
    if !may.is_ok_and(|status| status.success()) {
        println!("SKIPPED, NOT TESTED ON A FULL DISK: no file system may be mounted here");
        return;
    }
    let options = ServerOptions::default().in_folder().env("RUNGATE_JOURNAL_SEGMENT_BYTES", "4MiB");
    let sim = Sim::start().await;
    let server = Server::start_in(&script, folder, options).await;
    let tenant = Tenant::create(&server, &sim).await;
    let stage = Stage { server, sim, tenant };
    let mut ids = acknowledged(&stage, 5).await;

    // Seen through the process, for whom alone it is mounted.
    let filler = PathBuf::from(format!("/proc/{}/root{}", stage.server.pid(), disk.join("filler").display()));
    fill(&filler);
    let mut refused = 0;
    let mut body = chat("gpt-4o-mini");
    body["messages"][0]["content"] = json!("x".repeat(64 << 10));
    for _ in 0..2_000 {
        let answer = stage.tenant.client().send(Method::POST, "/v1/chat/completions", body.to_string()).await;
        if answer.status == 200 {
            ids.push(answer.header("alephant-id").unwrap().to_owned());
            // What the log gives back of the disk is taken too.
            fill(&filler);
            continue;
        }
        assert_eq!((answer.status.as_u16(), answer.error_code().as_str()), (503, "journal_unavailable"));
        refused += 1;
        if refused == 20 {
            break;
        }
    }
    assert_eq!(refused, 20, "the disk is never full");
    let sent = stage.sim.stats().await["requests_total"].as_u64().unwrap();
    assert_eq!(sent, ids.len() as u64, "a refused request went upstream");

    fs::remove_file(&filler).unwrap();
    for id in &ids {
        assert_eq!(stage.ended_row(id).await["outcome"], "succeeded");
    }
    let again = stage.tenant.client().send(Method::POST, "/v1/chat/completions", body.to_string()).await;
    assert_eq!(again.status, 200, "{}", again.text());
    println!("full disk: {} acknowledged, then {refused} refused", ids.len());
    stage.audit().await;
}

/// Takes what room is left.
fn fill(path: &Path) {
    let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
    for bytes in [vec![0; 1 << 20], vec![0; 4096]] {
        while std::io::Write::write_all(&mut file, &bytes).is_ok() {}
    }
}
