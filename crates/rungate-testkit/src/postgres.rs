//! Databases of PostgreSQL for tests: one cluster per build folder, shared by all test processes, a database per test.
//!
//! The cluster is started by the first test that wants it. A watcher stops and removes it once no test has used it for
//! half a minute, so that nothing stays behind, however the tests end. `RUNGATE_TEST_POSTGRES_URL` names a server to use
//! instead, as `postgres://superuser:password@host:port`; its `psql` must be found here all the same.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::port::free_port;

const SUPERUSER: &str = "postgres";
const PASSWORD: &str = "of-the-test-cluster";
const URL_VARIABLE: &str = "RUNGATE_TEST_POSTGRES_URL";
const REQUIRE_VARIABLE: &str = "RUNGATE_REQUIRE_POSTGRES";

/// What a cluster of our own takes.
const SERVER: [&str; 3] = ["initdb", "pg_ctl", "psql"];

/// The number of the next database of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Stops the cluster when nobody has held the file of users for half a minute; `lock` keeps others from joining
/// meanwhile.
const WATCHER: &str = r#"
idle=0
while [ "$idle" -lt 6 ]; do
  sleep 5
  [ -e "$1/data/postmaster.pid" ] || exit 0
  if flock -n -x "$1/users" true; then idle=$((idle + 1)); else idle=0; fi
  if [ "$idle" -ge 6 ]; then
    flock -x "$1/lock" flock -n -x "$1/users" sh -c '"$1/pg_ctl" -D "$0/data" -t 10 -m immediate -w stop; rm -rf "$0/data"' "$1" "$2" || idle=0
  fi
done
"#;

/// A database of a test's own. Dropped when this is.
pub struct TestDatabase {
    server: Address,
    name: String,
    _in_use: Option<File>,
}

/// A cluster of a test's own, to be stopped and started. Removed when dropped.
pub struct TestCluster {
    cluster: Cluster,
    port: u16,
    _folder: tempfile::TempDir,
}

/// A server and who its superuser is.
struct Address {
    /// `postgres://user:password@host:port`.
    origin: String,
}

/// A folder with a cluster in it, and how to run programs on it.
struct Cluster {
    base: PathBuf,
    bin: PathBuf,
    user: Option<String>,
}

impl TestDatabase {
    /// Makes an empty database; `None` when there is no PostgreSQL here, which is said aloud.
    pub fn create() -> Option<Self> {
        let (server, in_use) = match std::env::var(URL_VARIABLE) {
            Ok(url) if !url.is_empty() => (Address { origin: url.trim_end_matches('/').to_owned() }, None),
            _ => {
                let Some(bin) = programs(&SERVER) else { return skip("initdb is not installed") };
                let (port, users) = shared_cluster(&bin);
                (Address { origin: origin(port) }, Some(users))
            }
        };
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let database = Self { server, name, _in_use: in_use };
        database.server.sql("postgres", &format!("CREATE DATABASE {} TEMPLATE template0", database.name));
        Some(database)
    }

    /// Its address, as the superuser.
    pub fn url(&self) -> String {
        format!("{}/{}", self.server.origin, self.name)
    }

    /// Its address, as another user.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        let (_, host) = self.server.origin.rsplit_once('@').unwrap();
        format!("postgres://{user}:{password}@{host}/{}", self.name)
    }

    /// Its name, unique on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Carries out SQL in it as the superuser, from outside; what it prints, without headings.
    pub fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.name, sql)
    }

    /// Ends every connection to it, as a server does that restarts.
    pub fn cut_connections(&self) {
        let sql =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        self.server.sql("postgres", &sql);
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A test that has failed already must show its own failure.
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        drop(psql(&format!("{}/postgres", self.server.origin), &sql));
    }
}

impl TestCluster {
    /// Makes and starts one; `None` when there is no PostgreSQL here, which is said aloud.
    pub fn start() -> Option<Self> {
        let Some(bin) = programs(&SERVER) else { return skip("initdb is not installed") };
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster::prepare(folder.path().to_owned(), bin);
        cluster.init();
        let mut own = Self { cluster, port: free_port(), _folder: folder };
        own.resume();
        Some(own)
    }

    /// The same, of a server that takes connections with TLS alone. Beside it the authority of its certificate, which is for
    /// 127.0.0.1, and one that has nothing to do with it.
    pub fn start_with_tls() -> Option<(Self, [PathBuf; 2])> {
        let Some(bin) = programs(&SERVER) else { return skip("initdb is not installed") };
        if programs(&["openssl"]).is_none() {
            return skip("openssl is not installed");
        }
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster::prepare(folder.path().to_owned(), bin);
        cluster.init();
        let authorities = cluster.certify();
        let mut own = Self { cluster, port: free_port(), _folder: folder };
        own.resume();
        Some((own, authorities))
    }

    /// The address of its only database.
    pub fn url(&self) -> String {
        format!("{}/postgres", origin(self.port))
    }

    /// Stops it, cutting connections.
    pub fn stop(&mut self) {
        self.cluster.stop();
    }

    /// Starts it again on the same port.
    pub fn resume(&mut self) {
        self.cluster.start(self.port);
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        drop(self.cluster.pg_ctl(&["-m", "immediate", "-w", "stop"]).status());
    }
}

/// Carries out SQL at an address; what the server said when it failed.
pub fn psql(url: &str, sql: &str) -> Result<String, String> {
    let program = programs(&["psql"]).map_or_else(|| PathBuf::from("psql"), |bin| bin.join("psql"));
    let output = psql_command(&program, url, sql).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn psql_command(program: &Path, url: &str, sql: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"])
        .args(["--dbname", url, "--command", sql])
        .stdin(Stdio::null());
    command
}

impl Address {
    fn sql(&self, database: &str, sql: &str) -> String {
        psql(&format!("{}/{database}", self.origin), sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

impl Cluster {
    /// A folder that the user may write who will run it.
    fn prepare(base: PathBuf, bin: PathBuf) -> Self {
        fs::create_dir_all(&base).unwrap();
        // PostgreSQL refuses to run as root.
        let user = (output("id", &["-u"]) == "0").then(|| {
            let passwd = fs::read_to_string("/etc/passwd").unwrap();
            let has = |name: &str| passwd.lines().any(|line| line.starts_with(&format!("{name}:")));
            if has("postgres") { "postgres" } else { "nobody" }.to_owned()
        });
        if let Some(user) = &user {
            let id = |flag| output("id", &[flag, user]).parse::<u32>().unwrap();
            std::os::unix::fs::chown(&base, Some(id("-u")), Some(id("-g"))).unwrap();
        }
        Self { base, bin, user }
    }

    fn init(&self) {
        let password = self.base.join("password");
        fs::write(&password, PASSWORD).unwrap();
        let mut command = self.program("initdb");
        command.args(["--auth", "scram-sha-256", "--username", SUPERUSER, "--encoding", "UTF8"]);
        command.args(["--locale", "C", "--no-sync", "--pgdata"]).arg(self.data());
        command.arg("--pwfile").arg(&password);
        let made = command.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// Makes certificates, and lets nobody in without TLS.
    fn certify(&self) -> [PathBuf; 2] {
        let (data, base) = (self.data(), &self.base);
        fs::write(base.join("san"), "subjectAltName=IP:127.0.0.1").unwrap();
        let script = "set -e; for name in authority other; do \
             openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$name -keyout $name.key -out $name.pem; done; \
             openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr; \
             openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
             -extfile san -out server.pem; cp server.key server.pem data/; chmod 600 data/server.key; \
             if [ -n \"$1\" ]; then chown \"$1\" data/server.key data/server.pem; fi";
        let user = self.user.as_deref().unwrap_or_default();
        let made = Command::new("sh").args(["-c", script, "sh", user]).current_dir(base).output().unwrap();
        assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        let settings = data.join("postgresql.conf");
        let mut text = fs::read_to_string(&settings).unwrap();
        text.push_str("\nssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n");
        fs::write(settings, text).unwrap();
        fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
        ["authority.pem", "other.pem"].map(|name| base.join(name))
    }

    fn start(&self, port: u16) {
        let log = self.base.join("data/log");
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
             -c full_page_writes=off -c max_connections=200 -c shared_buffers=32MB"
        );
        let mut command = self.pg_ctl(&["-w", "-o", &options, "start", "-l"]);
        let started = command.arg(&log).status().unwrap();
        assert!(
            started.success(),
            "PostgreSQL does not start:\n{}",
            fs::read_to_string(&log).unwrap_or_default()
        );
    }

    fn stop(&self) {
        assert!(self.pg_ctl(&["-m", "fast", "-w", "stop"]).status().unwrap().success());
    }

    fn pg_ctl(&self, arguments: &[&str]) -> Command {
        let mut command = self.program("pg_ctl");
        command.arg("-D").arg(self.data()).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn data(&self) -> PathBuf {
        self.base.join("data")
    }

    fn program(&self, name: &str) -> Command {
        self.as_user(&self.bin.join(name))
    }

    fn as_user(&self, path: &Path) -> Command {
        let mut command = match &self.user {
            None => Command::new(path),
            Some(user) => {
                let mut command = Command::new("setpriv");
                let group = output("id", &["-g", user]);
                command.args(["--reuid", user, "--regid", &group, "--clear-groups", "--"]).arg(path);
                command
            }
        };
        // The folder of the test may be closed to that user.
        command.current_dir("/").stdin(Stdio::null());
        command
    }
}

/// The cluster of this build folder, started if it is not running, and what holds it: it stays while the file is open.
fn shared_cluster(bin: &Path) -> (u16, File) {
    let build = std::env::current_exe().unwrap();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    // The folder above `deps`: all test programs of one build share it.
    for byte in build.parent().unwrap().as_os_str().as_encoded_bytes() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let cluster =
        Cluster::prepare(std::env::temp_dir().join(format!("rungate-postgres-{hash:016x}")), bin.to_owned());
    let lock = open(&cluster.base.join("lock"));
    lock.lock().unwrap();
    let users = open(&cluster.base.join("users"));
    users.lock_shared().unwrap();
    let port_file = cluster.base.join("port");
    let known = fs::read_to_string(&port_file).ok().and_then(|text| text.parse().ok());
    if let Some(port) = known
        && cluster.pg_ctl(&["status"]).status().unwrap().success()
    {
        return (port, users);
    }
    // What is there was left by a machine that stopped; it was never synced to disk.
    if cluster.data().exists() {
        fs::remove_dir_all(cluster.data()).unwrap();
    }
    cluster.init();
    let port = free_port();
    cluster.start(port);
    fs::write(&port_file, port.to_string()).unwrap();
    watch(&cluster);
    (port, users)
}

/// A process of its own session, so that it outlives the test that starts it.
fn watch(cluster: &Cluster) {
    let mut command = cluster.as_user(Path::new("setsid"));
    command
        .args(["--fork", "sh", "-c", WATCHER, "rungate-postgres-watcher"])
        .arg(&cluster.base)
        .arg(&cluster.bin);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
}

fn open(path: &Path) -> File {
    File::options().create(true).truncate(false).write(true).read(true).open(path).unwrap()
}

fn origin(port: u16) -> String {
    format!("postgres://{SUPERUSER}:{PASSWORD}@127.0.0.1:{port}")
}

/// Where programs of PostgreSQL lie: on the path, or where Debian puts them; the newest of several.
fn programs(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    let has_all = |folder: &PathBuf| names.iter().all(|name| folder.join(name).exists());
    versions.into_iter().rev().chain(std::env::split_paths(&path)).find(has_all)
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn skip<T>(reason: &str) -> Option<T> {
    let required = std::env::var(REQUIRE_VARIABLE).is_ok_and(|value| value == "1");
    assert!(!required, "{REQUIRE_VARIABLE} is set, and {reason}");
    eprintln!("SKIPPED, NOT TESTED ON POSTGRESQL: {reason}");
    None
}
