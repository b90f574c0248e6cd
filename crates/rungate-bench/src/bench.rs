//! Everything in one go: contestants are started, take turns at each workload, and end up in one table.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use rungate_core::time::Timestamp;

use crate::contestant::{
    Contestant, RUNGATE, RUNGATE_BODIES, RUNGATE_DISK, RUNGATE_GOVERNED, Setup, Stage, agent_key, hyper,
    installed_peers, nginx, rungate, serve,
};
use crate::control::OWNER_TOKEN;
use crate::instructions;
use crate::machine::Machine;
use crate::process::{self, Core, Service};
use crate::reads::Timed;
use crate::report::Results;
use crate::suite::{Effort, Suite};
use crate::table::Table;
use crate::target::{READ_MAX, READ_P50, READ_P99, READS_POSTGRES, READS_SQLITE};

/// How thoroughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Length {
    /// Only shows that everything runs.
    Smoke,
    /// About five minutes.
    Quick,
    /// About half an hour.
    Full,
}

/// One run of the rig.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The `rungate` binary.
    pub rungate: PathBuf,
    /// How thoroughly.
    pub length: Length,
    /// Holds everything that is made meanwhile.
    pub folder: PathBuf,
    /// A PostgreSQL database whose reads are timed too.
    pub store_url: Option<String>,
    /// Now.
    pub now: Timestamp,
}

/// The three ways in which Rungate is measured.
const ROWS: Setup = Setup { name: RUNGATE, bodies: false, governed: false, durability: "process" };
const BODIES: Setup = Setup { name: RUNGATE_BODIES, bodies: true, ..ROWS };
const GOVERNED: Setup = Setup { name: RUNGATE_GOVERNED, governed: true, ..ROWS };
const DISK: Setup = Setup { name: RUNGATE_DISK, durability: "disk", ..ROWS };

impl Length {
    const fn effort(self) -> Effort {
        match self {
            Self::Smoke => Effort { rounds: 1, seconds: 0.3, open_streams: 20 },
            Self::Quick => Effort { rounds: 3, seconds: 3.0, open_streams: 1_000 },
            Self::Full => Effort { rounds: 7, seconds: 8.0, open_streams: 1_000 },
        }
    }

    /// Requests of the log that is read.
    const fn log_requests(self) -> u64 {
        match self {
            Self::Smoke => 2_000,
            Self::Quick => 200_000,
            Self::Full => 1_000_000,
        }
    }

    /// Seconds for each kind of read.
    const fn read_seconds(self) -> f64 {
        match self {
            Self::Smoke => 0.05,
            Self::Quick => 2.0,
            Self::Full => 10.0,
        }
    }
}

impl Bench {
    /// Runs it.
    pub fn run(&self, progress: &dyn Fn(&str)) -> Result<Results> {
        process::raise_file_limit()?;
        let mut machine = Machine::of_here();
        let folder = tempfile::tempdir_in(&self.folder)?;
        let folder = folder.path().canonicalize()?;
        let (_upstream, upstream) = start_upstream(&folder)?;
        let stage = Stage { upstream, folder: &folder, rungate: &self.rungate };
        let mut notes = Vec::new();
        let mut table = Table::default();
        let mut suite = Suite { effort: self.length.effort(), progress, table: &mut table };
        workloads(&stage, &mut suite, &mut notes)?;

        let postgres = self.store_url.as_deref().map(|url| ("RUNGATE_STORE_URL", url));
        let stores = [(READS_SQLITE, None), (READS_POSTGRES, postgres)];
        for (workload, env) in stores.into_iter().filter(|(name, env)| *name == READS_SQLITE || env.is_some())
        {
            // What was measured before is worth keeping.
            if let Err(error) = self.reads(workload, &stage, env.as_slice(), progress, &mut table) {
                notes.push(format!("**{workload}: {error:#}**"));
            }
        }
        let instructions = if self.length == Length::Smoke {
            Vec::new()
        } else {
            let own = std::env::current_exe()?;
            instructions::count(&own, &folder, progress)?.unwrap_or_else(|| {
                notes.push("**valgrind is not installed: instructions were not counted.**".to_owned());
                Vec::new()
            })
        };
        machine.ends();
        let Effort { rounds, seconds, .. } = self.length.effort();
        Ok(Results {
            machine,
            at: self.now.to_string(),
            command: match self.length {
                Length::Full => "BENCH=full make bench".to_owned(),
                Length::Quick | Length::Smoke => "make bench".to_owned(),
            },
            effort: format!(
                "{rounds} runs of {seconds} s of each contestant, in turns; reads of {} requests beside 500 requests/s",
                self.length.log_requests()
            ),
            table,
            instructions,
            notes,
        })
    }

    /// Fills a log, serves it, and reads it while 500 requests a second are written.
    fn reads(
        &self,
        workload: &str,
        stage: &Stage<'_>,
        env: &[(&str, &str)],
        progress: &dyn Fn(&str),
        table: &mut Table,
    ) -> Result<()> {
        let data = stage.folder.join(workload.replace([' ', ','], "-"));
        let (requests, until) = (self.length.log_requests().to_string(), self.now.to_string());
        let traffic = ["--requests", &requests, "--until", &until];
        progress(&format!("{workload}: writing {requests} requests"));
        let mut generate = process::on(Core::Rig, std::env::current_exe()?);
        generate.env("RUNGATE_EGRESS_ALLOW", "127.0.0.0/8").envs(env.iter().copied());
        let generated = generate.arg("generate").arg("--data").arg(&data).args(traffic).status()?;
        ensure!(generated.success(), "the log could not be written");

        progress(&format!("{workload}: reading"));
        let (_server, address) = serve(stage.rungate, &data, env)?;
        let key = agent_key(address, stage.upstream, false)?;
        let target = address.to_string();
        let mut load = process::on(Core::Rig, std::env::current_exe()?);
        load.args(["load", "--target", &target, "--key", &key, "--rate", "500", "--seconds", "3600"]);
        let load = Service::start("load", &mut load, &stage.folder.join("load.log"))?;
        let mut read = process::on(Core::Rig, std::env::current_exe()?);
        read.args(["read", "--target", &target, "--token", OWNER_TOKEN]).args(traffic);
        let read = read.args(["--seconds", &self.length.read_seconds().to_string()]).output()?;
        drop(load);
        ensure!(read.status.success(), "reading failed: {}", String::from_utf8_lossy(&read.stderr));
        for Timed { read, count, latency_us } in serde_json::from_slice::<Vec<Timed>>(&read.stdout)? {
            table.add(workload, &read, READ_P50, latency_us.p50 / 1_000.0);
            table.add(workload, &read, READ_P99, latency_us.p99 / 1_000.0);
            table.add(workload, &read, READ_MAX, latency_us.max / 1_000.0);
            table.add(workload, &read, "reads", f64::from(u32::try_from(count)?));
        }
        Ok(())
    }
}

/// All workloads but reads.
fn workloads(stage: &Stage<'_>, suite: &mut Suite<'_>, notes: &mut Vec<String>) -> Result<()> {
    let nginx = nginx(stage)?;
    if nginx.is_none() {
        notes.push("**nginx is not installed: there is nothing to compare with.**".to_owned());
    }
    let [rows, bodies, governed, disk] = [ROWS, BODIES, GOVERNED, DISK].map(|setup| rungate(stage, setup));
    let (rows, bodies, governed, disk) = (rows?, bodies?, governed?, disk?);
    let (peers, left_out) = installed_peers(stage);
    notes.extend(left_out);
    let hyper = hyper(stage)?;
    let yardsticks: Vec<&Contestant> = nginx.iter().chain([&hyper]).collect();
    let peers: Vec<&Contestant> = peers.iter().collect();

    suite.closed(false, &[&yardsticks[..], &[&rows, &bodies, &governed], &peers].concat())?;
    suite.even(false, &[&yardsticks[..], &[&rows, &bodies, &governed]].concat())?;
    suite.closed(true, &[&yardsticks[..], &[&rows, &bodies], &peers].concat())?;
    suite.even(true, &[&yardsticks[..], &[&rows, &bodies]].concat())?;
    suite.latency(&[&yardsticks[..], &[&rows, &bodies, &disk], &peers].concat())?;
    suite.first_byte(&[&yardsticks[..], &[&bodies], &peers].concat())?;
    suite.chunks(&[&yardsticks[..], &[&bodies], &peers].concat())?;
    drop((rows, bodies, governed, disk, hyper));
    open_streams(stage, suite)
}

/// Memory, of processes that have done nothing before.
fn open_streams(stage: &Stage<'_>, suite: &mut Suite<'_>) -> Result<()> {
    if let Some(fresh) = nginx(stage)? {
        suite.open_streams(&fresh)?;
    }
    let fresh = tempfile::tempdir_in(stage.folder)?;
    let stage = Stage { folder: fresh.path(), ..*stage };
    suite.open_streams(&rungate(&stage, BODIES)?)
}

/// Starts this same program as the upstream.
fn start_upstream(folder: &Path) -> Result<(Service, SocketAddr)> {
    let mut command = process::on(Core::Rig, std::env::current_exe()?);
    command.args(["upstream", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
    let errors = std::fs::File::create(folder.join("upstream.log"))?;
    let mut child = command.stderr(errors).spawn()?;
    let out = child.stdout.take().context("the upstream has no output")?;
    let service = Service::of("upstream", child);
    let mut address = String::new();
    BufReader::new(out).read_line(&mut address)?;
    Ok((service, address.trim().parse().context("the upstream did not start")?))
}
