//! The binary as a process of its own: what it prints, and how it ends.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Instant;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::client::{PATIENCE, send};

fn rungate(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rungate"));
    command.env_clear().env("RUNGATE_STORE_DATA", data).kill_on_drop(true);
    command
}

struct Serving {
    child: Child,
    address: SocketAddr,
    log: BufReader<ChildStderr>,
}

/// Starts a server on a port of its choice and waits until it is ready.
async fn serve(data: &Path) -> Serving {
    let started = Instant::now();
    let mut child = rungate(data)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("RUNGATE_LOG_FORMAT", "json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).await.unwrap() > 0, "the server ended");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if let Some(url) = line["url"].as_str() {
            break url.strip_prefix("http://").unwrap().parse().unwrap();
        }
    };
    while send(address, "GET /readyz HTTP/1.1").await.status != 200 {
        assert!(started.elapsed() < PATIENCE, "not ready");
    }
    println!("ready after {:?}", started.elapsed());
    Serving { child, address, log }
}

impl Serving {
    /// Asks it to stop; what it printed and logged.
    async fn stop(mut self) -> (String, String) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        let (mut printed, mut logged) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut printed).await.unwrap();
        self.log.read_to_string(&mut logged).await.unwrap();
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}: {logged}");
        (printed, logged)
    }
}

async fn output(mut command: Command) -> (bool, String, String) {
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.success(), text(stdout), text(stderr))
}

#[tokio::test]
async fn the_owner_token_is_printed_by_the_first_start_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path()).await;
    let answer = send(server.address, "GET /metrics HTTP/1.1").await;
    assert!(answer.body.contains("rungate_http_requests_total{route=\"operations\",status=\"2xx\"}"));
    for name in [
        "rungate_journal_undrained_bytes 0",
        "rungate_build_info{version=",
        "rungate_process_resident_memory_bytes",
    ] {
        assert!(answer.body.contains(name), "{name} is not in:\n{}", answer.body);
    }
    let (printed, logged) = server.stop().await;
    let tokens: Vec<&str> = printed.split_whitespace().filter(|word| word.starts_with("pat_ws")).collect();
    assert!(tokens.len() == 1 && tokens[0].len() == 77, "{printed}");
    assert!(!logged.contains("pat_ws"), "the log holds no token");
    assert!(logged.contains("stopped"));

    let (printed, _) = serve(folder.path()).await.stop().await;
    assert_eq!(printed, "");
}

#[tokio::test]
async fn a_lost_owner_token_is_reset_when_the_server_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let reset = || {
        let mut command = rungate(folder.path());
        command.args(["owner-token", "reset"]);
        command
    };
    let (ok, _, error) = output(reset()).await;
    assert!(!ok && error.contains("there is no owner yet"), "{error}");

    let server = serve(folder.path()).await;
    let (ok, _, error) = output(reset()).await;
    assert!(!ok && error.contains("stop the server first"), "{error}");
    let (first, _) = server.stop().await;

    let (ok, printed, error) = output(reset()).await;
    assert!(ok, "{error}");
    let token = printed.split_whitespace().find(|word| word.starts_with("pat_ws")).unwrap();
    assert!(!first.contains(token));
}

#[tokio::test]
async fn a_taken_port_leaves_no_data_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = rungate(&data);
    command.args(["serve", "--listen", &taken.local_addr().unwrap().to_string()]);
    let (ok, _, error) = output(command).await;
    assert!(!ok && error.contains("cannot listen on"), "{error}");
    assert!(!data.exists());
}

#[tokio::test]
async fn a_bad_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = rungate(folder.path());
    command.args(["serve", "--listen", "everywhere"]);
    let (ok, _, error) = output(command).await;
    assert!(!ok && error.contains("--listen: `server.listen` is \"everywhere\"; allowed is"), "{error}");

    let mut command = rungate(folder.path());
    command.args(["config", "check"]).env("RUNGATE_LOG_LEVEL", "loud");
    let (ok, _, error) = output(command).await;
    assert!(!ok && error.contains("RUNGATE_LOG_LEVEL"), "{error}");
}
