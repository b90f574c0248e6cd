//! The real binary as a process of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::port::free_port;
use crate::postgres::TestDatabase;

/// The owner token of every server that the harness starts.
pub const OWNER_TOKEN: &str = "pat_ws0a1b2c_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Names the store that servers of the harness are started on.
const STORE_VARIABLE: &str = "RUNGATE_TEST_STORE";

/// Whether servers of the harness are started on PostgreSQL.
fn runs_on_postgres() -> bool {
    std::env::var(STORE_VARIABLE).is_ok_and(|store| store == "postgres")
}

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// Further environment variables.
    pub env: Vec<(String, String)>,
    /// The data folder even where the tests are run on PostgreSQL: for what only it has.
    pub in_folder: bool,
}

impl ServerOptions {
    /// Sets one more environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Keeps everything in the data folder, whatever store the tests are run on.
    #[must_use]
    pub fn in_folder(mut self) -> Self {
        self.in_folder = true;
        self
    }
}

/// A running server. Killed when dropped.
pub struct Server {
    /// Its address.
    pub origin: String,
    /// How long it took from start to ready.
    pub ready_after: Duration,
    bin: PathBuf,
    folder: TempDir,
    options: ServerOptions,
    port: u16,
    child: Child,
    /// Behind the child, so that it is dropped after it.
    _database: Option<TestDatabase>,
}

impl Server {
    /// Starts `bin serve` on a fresh data folder and a free port, open to loopback upstreams, and waits until it is ready.
    /// Where `RUNGATE_TEST_STORE` is `postgres`, on a fresh database too.
    pub async fn start(bin: &Path, options: ServerOptions) -> Self {
        Self::start_in(bin, tempfile::tempdir().unwrap(), options).await
    }

    /// The same with the data that lies in `folder` as `data`.
    pub async fn start_in(bin: &Path, folder: TempDir, mut options: ServerOptions) -> Self {
        let database = (!options.in_folder && runs_on_postgres()).then(|| {
            let database = TestDatabase::create();
            database.unwrap_or_else(|| panic!("{STORE_VARIABLE} is postgres, and there is none"))
        });
        if let Some(database) = &database {
            options = options.env("RUNGATE_STORE_URL", &database.url());
        }
        let port = free_port();
        let child = spawn(bin, folder.path(), port, &options);
        let origin = format!("http://127.0.0.1:{port}");
        let mut server = Self {
            origin,
            ready_after: Duration::ZERO,
            bin: bin.to_owned(),
            folder,
            options,
            port,
            child,
            _database: database,
        };
        server.ready_after = server.wait_ready().await;
        server
    }

    /// A client without credentials.
    pub fn client(&self) -> Client {
        Client::new(&self.origin)
    }

    /// A client that acts as the owner.
    pub fn owner(&self) -> Client {
        self.client().bearer(OWNER_TOKEN)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Where its files lie.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop and waits until it has; its exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        let pid = self.pid().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("the server does not stop")).unwrap().code()
    }

    /// Starts it again on the same data and port, and waits until it is ready.
    pub async fn restart(&mut self) -> Duration {
        self.child = spawn(&self.bin, self.folder.path(), self.port, &self.options);
        self.wait_ready().await
    }

    async fn wait_ready(&mut self) -> Duration {
        let started = Instant::now();
        let client = self.client();
        while started.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", self.log());
            }
            let answer = client.try_open(http::Method::GET, "/readyz", bytes::Bytes::new()).await;
            if answer.is_ok_and(|answer| answer.status.is_success()) {
                return started.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the server is not ready:\n{}", self.log());
    }
}

fn spawn(bin: &Path, folder: &Path, port: u16, options: &ServerOptions) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = Command::new(bin);
    command
        .arg("serve")
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .arg("--data")
        .arg(folder.join("data"))
        .env("RUNGATE_OWNER_TOKEN", OWNER_TOKEN)
        .env("RUNGATE_EGRESS_ALLOW", "127.0.0.0/8")
        .env("RUNGATE_LOG_LEVEL", "debug")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true);
    for (name, value) in &options.env {
        command.env(name, value);
    }
    command.spawn().unwrap()
}
