//! The workloads, in short runs that take turns: A B A B.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::contestant::Contestant;
use crate::cpu::Spent;
use crate::load::Outcome;
use crate::process::{self, Core};
use crate::table::Table;
use crate::target::{
    CHUNKS, CPU_CHUNK, CPU_SERVING, CPU_TOTAL, FAILURES, FIRST_BYTE, IDLE_MB, LARGE, LARGE_EVEN, LATENCY,
    OPEN, OPEN_MB, P50, P99, RATE, SMALL, SMALL_EVEN,
};

const GLANCE: Duration = Duration::from_millis(100);
const WARM_UP: &str = "0.5";
#[expect(clippy::cast_precision_loss, reason = "these counts have all their digits in 53 bits")]
const fn float(number: u64) -> f64 {
    number as f64
}

/// How long it all takes.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Runs of each contestant.
    pub rounds: u32,
    /// Seconds of a run.
    pub seconds: f64,
    /// Streams that are open at once.
    pub open_streams: u32,
}

/// Who takes part in what.
pub struct Suite<'a> {
    /// How long.
    pub effort: Effort,
    /// Told what is being done.
    pub progress: &'a dyn Fn(&str),
    /// Where values go.
    pub table: &'a mut Table,
}

impl Suite<'_> {
    /// As many requests as 64 connections can have answered one after another: CPU per request.
    pub fn closed(&mut self, large: bool, contestants: &[&Contestant]) -> Result<()> {
        let (workload, size) = if large { (LARGE, "large") } else { (SMALL, "small") };
        self.cpu(workload, contestants, &["--size", size])
    }

    /// So many requests a second of everybody: CPU per request of machines that are equally busy.
    pub fn even(&mut self, large: bool, contestants: &[&Contestant]) -> Result<()> {
        let (workload, size, rate) =
            if large { (LARGE_EVEN, "large", "2000") } else { (SMALL_EVEN, "small", "5000") };
        self.cpu(workload, contestants, &["--size", size, "--rate", rate])
    }

    fn cpu(&mut self, workload: &str, contestants: &[&Contestant], arguments: &[&str]) -> Result<()> {
        self.in_turns(workload, contestants, |suite, contestant| {
            let seconds = suite.effort.seconds.to_string();
            let all = [arguments, &["--connections", "64", "--seconds", &seconds]].concat();
            let (outcome, spent) = measured(contestant, &all)?;
            let requests = float(outcome.answers + outcome.failures);
            suite.add(workload, contestant, CPU_SERVING, float(spent.serving) / 1_000.0 / requests);
            suite.add(workload, contestant, CPU_TOTAL, float(spent.total()) / 1_000.0 / requests);
            suite.add(workload, contestant, RATE, requests / outcome.seconds);
            suite.add(workload, contestant, FAILURES, float(outcome.failures));
            Ok(())
        })
    }

    /// 500 requests a second, each sent when it is due: latency.
    pub fn latency(&mut self, contestants: &[&Contestant]) -> Result<()> {
        self.in_turns(LATENCY, contestants, |suite, contestant| {
            let seconds = suite.effort.seconds.to_string();
            let (outcome, spent) = measured(contestant, &["--rate", "500", "--seconds", &seconds])?;
            suite.add(LATENCY, contestant, P50, outcome.latency_us.p50);
            suite.add(LATENCY, contestant, P99, outcome.latency_us.p99);
            let requests = float(outcome.answers + outcome.failures);
            suite.add(LATENCY, contestant, CPU_SERVING, float(spent.serving) / 1_000.0 / requests);
            suite.add(LATENCY, contestant, FAILURES, float(outcome.failures));
            Ok(())
        })
    }

    /// 50 short streams a second: the time until the first byte of each.
    pub fn first_byte(&mut self, contestants: &[&Contestant]) -> Result<()> {
        self.in_turns(FIRST_BYTE, contestants, |suite, contestant| {
            let seconds = suite.effort.seconds.to_string();
            let streams = ["--rate", "50", "--chunks", "5", "--pace-ms", "20", "--seconds", &seconds];
            let (outcome, _) = measured(contestant, &streams)?;
            suite.add(FIRST_BYTE, contestant, P50, outcome.first_byte_us.p50);
            suite.add(FIRST_BYTE, contestant, P99, outcome.first_byte_us.p99);
            suite.add(FIRST_BYTE, contestant, FAILURES, float(outcome.failures));
            Ok(())
        })
    }

    /// A hundred streams of a hundred chunks, 20 ms apart: CPU per chunk.
    pub fn chunks(&mut self, contestants: &[&Contestant]) -> Result<()> {
        self.in_turns(CHUNKS, contestants, |suite, contestant| {
            let streams = ["--connections", "100", "--chunks", "100", "--pace-ms", "20", "--seconds", "0"];
            let (outcome, spent) = measured(contestant, &streams)?;
            suite.add(CHUNKS, contestant, CPU_CHUNK, float(spent.total()) / 1_000.0 / float(outcome.chunks));
            suite.add(CHUNKS, contestant, FAILURES, float(outcome.failures));
            Ok(())
        })
    }

    /// A thousand streams at once: memory. The contestant must be fresh, since memory that was used is not given back.
    pub fn open_streams(&mut self, contestant: &Contestant) -> Result<()> {
        (self.progress)(&format!("{OPEN}: {}", contestant.name));
        contestant.settle()?;
        self.add(OPEN, contestant, IDLE_MB, megabytes(contestant.resident_bytes()?));
        let connections = self.effort.open_streams.to_string();
        let arguments =
            ["--connections", &connections, "--chunks", "8", "--pace-ms", "500", "--seconds", "0"];
        let mut load = load_command(contestant, &arguments)?;
        let mut load = load.stdout(Stdio::piped()).spawn()?;
        let mut most = 0;
        while load.try_wait()?.is_none() {
            most = most.max(contestant.resident_bytes()?);
            thread::sleep(GLANCE);
        }
        let outcome = outcome(&load.wait_with_output()?)?;
        self.add(OPEN, contestant, OPEN_MB, megabytes(most));
        self.add(OPEN, contestant, FAILURES, float(outcome.failures));
        contestant.settle()
    }

    fn in_turns(
        &mut self,
        workload: &str,
        contestants: &[&Contestant],
        mut run: impl FnMut(&mut Self, &Contestant) -> Result<()>,
    ) -> Result<()> {
        for round in 1..=self.effort.rounds {
            for contestant in contestants {
                let what = format!("{workload}: {}, run {round} of {}", contestant.name, self.effort.rounds);
                (self.progress)(&what);
                run(self, contestant).context(what)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, workload: &str, contestant: &Contestant, figure: &str, value: f64) {
        self.table.add(workload, contestant.name, figure, value);
    }
}

fn megabytes(bytes: u64) -> f64 {
    float(bytes) / f64::from(1 << 20)
}

/// Warms a contestant up, loads it, and says what that took, up to the last thing done behind the answers.
fn measured(contestant: &Contestant, arguments: &[&str]) -> Result<(Outcome, Spent)> {
    let warm_up = ["--connections", "64", "--seconds", WARM_UP];
    outcome(&load_command(contestant, &warm_up)?.output()?)?;
    contestant.settle()?;
    let before = contestant.usage()?;
    let outcome = outcome(&load_command(contestant, arguments)?.output()?)?;
    contestant.settle()?;
    Ok((outcome, contestant.spent_since(&before)?))
}

/// The load against a contestant, as a process on the rig's core.
pub fn load_command(contestant: &Contestant, arguments: &[&str]) -> Result<std::process::Command> {
    let Contestant { address, path, key, model, .. } = contestant;
    let mut command = process::on(Core::Rig, std::env::current_exe()?);
    command.args(["load", "--target", &address.to_string(), "--path", path, "--key", key, "--model", model]);
    command.args(arguments);
    Ok(command)
}

/// What the load has printed.
pub fn outcome(output: &std::process::Output) -> Result<Outcome> {
    ensure!(output.status.success(), "the load failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
