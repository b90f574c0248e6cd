//! Backups of a server that works: what was acknowledged before a backup began is in it exactly once.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;
use rungate_testkit::{Client, Server, ServerOptions};
use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::crash::all_rows;
use super::{Stage, chat, streamed};

const CLIENTS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(30);
pub(super) const BIN: &str = env!("CARGO_BIN_EXE_rungate");

pub(super) fn rungate() -> Command {
    let mut command = Command::new(BIN);
    command.env_clear().kill_on_drop(true);
    command
}

pub(super) fn backup(data: &Path, to: &Path) -> Command {
    let mut command = rungate();
    command.arg("backup").arg(to).arg("--data").arg(data);
    command
}

pub(super) fn restore(from: &Path, data: &Path) -> Command {
    let mut command = rungate();
    command.arg("restore").arg(from).arg("--data").arg(data);
    command
}

pub(super) fn verify(from: &Path) -> Command {
    let mut command = rungate();
    command.args(["backup", "verify"]).arg(from);
    command
}

pub(super) async fn done(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

pub(super) async fn refused(mut command: Command, why: &str) {
    let Output { status, stderr, .. } = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(1), "{said}");
    let last = said.lines().rfind(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(last.contains(why), "{why:?} is not in {said}");
}

/// Clients that send until they are stopped, and the ids of the answers they received in full.
pub(super) struct Load {
    received: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    pub(super) fn begin(client: &Client) -> Self {
        let (received, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (client, received, stop) = (client.clone(), Arc::clone(&received), Arc::clone(&stop));
            clients.spawn(async move {
                let is_whole = number.is_multiple_of(2);
                let body = if is_whole { chat("gpt-4o-mini") } else { streamed("gpt-4o-mini") }.to_string();
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.send(Method::POST, "/v1/chat/completions", body.clone()).await;
                    if answer.complete && (is_whole || answer.text().ends_with("data: [DONE]\n\n")) {
                        received.lock().unwrap().push(answer.header("alephant-id").unwrap().to_owned());
                    }
                }
            });
        }
        Self { received, stop, clients }
    }

    pub(super) fn so_far(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }

    /// Until so many answers have come.
    pub(super) async fn reach(&self, answers: usize) {
        while self.received.lock().unwrap().len() < answers {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while self.clients.join_next().await.is_some() {}
    }
}

async fn bodies(server: &Server, id: &str) -> Value {
    server.owner().get(&format!("/api/v1/requests/{id}/bodies")).await.data()
}

pub(super) async fn by_id(server: &Server) -> HashMap<String, Value> {
    let rows = all_rows(server).await;
    let count = rows.len();
    let rows: HashMap<_, _> =
        rows.into_iter().map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect();
    assert_eq!(rows.len(), count, "a row stands twice");
    rows
}

/// Small segments, so that the journal is trimmed all the time.
fn options() -> ServerOptions {
    ServerOptions::default().in_folder().env("RUNGATE_JOURNAL_SEGMENT_BYTES", "64KiB")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_has_what_was_acknowledged_before_it_exactly_once() {
    let stage = Stage::set_with(options()).await;
    let outside = tempfile::tempdir().unwrap();
    let load = Load::begin(&stage.tenant.client());
    let mut taken = Vec::new();
    for round in 0..4 {
        load.reach(60 * (round + 1)).await;
        let to = outside.path().join(if round % 2 == 0 {
            format!("b{round}")
        } else {
            format!("b{round}.tar.zst")
        });
        let before = load.so_far();
        let mut command = backup(&stage.server.data(), &to);
        command.arg("--with-sealing-key");
        done(command).await;
        taken.push((to, before));
    }
    load.end().await;
    let original = by_id(&stage.server).await;
    for (backup, before) in taken {
        let folder = tempfile::tempdir().unwrap();
        done(restore(&backup, &folder.path().join("data"))).await;
        let restored = Server::start_in(Path::new(BIN), folder, options()).await;
        let rows = by_id(&restored).await;
        for id in &before {
            assert_eq!(rows.get(id), original.get(id), "{}: {id}", backup.display());
        }
        for (id, row) in &rows {
            assert!(row["outcome"] == "succeeded" || row["outcome"] == "interrupted", "{id}: {row}");
        }
        for id in before.iter().step_by(7) {
            assert_eq!(bodies(&restored, id).await, bodies(&stage.server, id).await);
        }
        // It goes on where it is: the virtual key works, and nothing is counted twice.
        let client = Client::new(&restored.origin).bearer(&stage.tenant.key);
        assert!(
            client.send(Method::POST, "/v1/chat/completions", chat("gpt-4o-mini").to_string()).await.complete
        );
        assert_eq!(by_id(&restored).await.len(), rows.len() + 1);
        println!("{} answers before, {} rows restored", before.len(), rows.len());
    }
    stage.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backup_harms_nothing_and_the_next_one_succeeds() {
    let stage = Stage::set_with(options()).await;
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().join("backup.tar.zst");
    let load = Load::begin(&stage.tenant.client());
    load.reach(50).await;
    for wait_ms in [5, 20, 40, 80, 160] {
        let mut command = backup(&stage.server.data(), &to);
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        child.kill().await.unwrap();
        // Whoever holds the journal would be in the way of this lock.
        let hold = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(stage.server.data().join("journal/hold"));
        while hold.as_ref().unwrap().try_lock().is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(hold);
        if to.exists() {
            done(verify(&to)).await;
            fs::remove_file(&to).unwrap();
        }
    }
    let so_far = load.so_far().len();
    load.reach(so_far + 50).await;
    load.end().await;
    let said = done(backup(&stage.server.data(), &to)).await;
    assert!(said.contains("The sealing key is NOT in it"), "{said}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "nothing partial is left");
    done(verify(&to)).await;
    // The entry after the backup takes along what was held.
    stage.tenant.client().post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    stage.audit().await;
    let began = Instant::now();
    while segments(&stage.server.data()) >= 10 {
        assert!(began.elapsed() < PATIENCE, "what was held is not let go");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn segments(data: &Path) -> usize {
    let journal = fs::read_dir(data.join("journal")).unwrap();
    journal.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|it| it == "seg")).count()
}

#[tokio::test]
async fn what_is_wrong_with_a_backup_is_said_and_leaves_nothing_behind() {
    let mut stage = Stage::set_with(ServerOptions::default().in_folder()).await;
    for _ in 0..3 {
        stage.tenant.client().post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    }
    stage.audit().await;
    // As a killed server leaves it: the write-ahead logs are not folded in.
    stage.server.kill().await;
    let data = stage.server.data();
    let outside = tempfile::tempdir().unwrap();
    let [archive, tree, target] = ["a.tar.zst", "tree", "target"].map(|name| outside.path().join(name));

    refused(backup(&data, &data.join("backup")), "lies in the data folder").await;
    refused(backup(&outside.path().join("none"), &archive), "there is no data of Rungate in").await;
    let before = files(&data);
    done(backup(&data, &archive)).await;
    done(backup(&data, &tree)).await;
    assert_eq!(files(&data), before, "a backup changes nothing");
    assert_eq!(fs::metadata(&archive).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&tree).unwrap().permissions().mode() & 0o777, 0o700);
    refused(backup(&data, &archive), "is there already").await;
    assert!(!fs::read_dir(&tree).unwrap().any(|entry| entry.unwrap().file_name() == "sealing.key"));

    // A day that is only being made has nothing yet, not even its schema.
    let (young, without) = ("log/rows-2020-01-02.db", outside.path().join("without"));
    File::create_new(data.join(young)).unwrap();
    done(backup(&data, &without)).await;
    assert!(!without.join(young).exists());
    fs::remove_file(data.join(young)).unwrap();
    fs::remove_dir_all(without).unwrap();

    // A disk that takes no more.
    let mut full = Command::new("bash");
    full.env_clear().arg("-c").arg(r#"trap '' XFSZ; ulimit -f 20; exec "$0" "$@""#).arg(BIN);
    full.args(["backup"]).arg(outside.path().join("full")).arg("--data").arg(&data);
    refused(full, "").await;
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2, "nothing partial is left");

    let whole = fs::read(&archive).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 23 + 1) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        fs::write(&archive, flipped).unwrap();
        refused(verify(&archive), "").await;
    }
    for length in [0, 10, whole.len() / 2, whole.len() - 1] {
        fs::write(&archive, &whole[..length]).unwrap();
        refused(restore(&archive, &target), "cannot be unpacked").await;
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "the target stays empty");
    }
    fs::write(&archive, &whole).unwrap();

    let views = tree.join("log/views.db");
    let sound = fs::read(&views).unwrap();
    let mut damaged = sound.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&views, damaged).unwrap();
    refused(verify(&tree), "log/views.db is damaged: its checksum is wrong").await;
    fs::write(&views, sound).unwrap();
    let manifest = tree.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"format\": 1", "\"format\": 99")).unwrap();
    refused(restore(&tree, &target), "newer than this version of Rungate knows").await;
    fs::write(&manifest, text.replace("control.db", "../control.db")).unwrap();
    refused(restore(&tree, &target), "no path of ours").await;
    fs::write(&manifest, text).unwrap();
    refused(restore(&outside.path().join("none"), &target), "there is nothing at").await;
    refused(restore(&archive, &data), "is not empty").await;

    // The key is given, wrong or missing.
    let key_file = outside.path().join("key");
    fs::write(&key_file, "07".repeat(32)).unwrap();
    let with_key = |data: &Path| {
        let mut command = restore(&archive, data);
        command.arg("--sealing-key-file").arg(&key_file);
        command
    };
    refused(with_key(&target), "the sealing key is not the one").await;
    fs::copy(data.join("sealing.key"), &key_file).unwrap();
    assert!(done(with_key(&target)).await.contains("The sealing key opens it"));
    let said = done(restore(&tree, &outside.path().join("keyless"))).await;
    assert!(said.contains("There is NO sealing key"), "{said}");
    let mut serve = rungate();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(outside.path().join("keyless"));
    refused(serve, "sealed with a key that is missing").await;

    // A restore that was cut off is not served from.
    fs::create_dir_all(outside.path().join("half/restoring")).unwrap();
    let mut serve = rungate();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(outside.path().join("half"));
    refused(serve, "did not get to its end").await;
    done(restore(&archive, &outside.path().join("half"))).await;
}

/// Every file that is not made by looking at it, with its bytes.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            if path.is_dir() {
                dirs.push(path);
            } else if !name.ends_with("-shm") && !name.ends_with("/hold") {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}
