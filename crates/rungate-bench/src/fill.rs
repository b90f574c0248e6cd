//! Fills a log with made-up traffic, straight through the store, and says how far it is.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rungate_core::exchange::{Sequence, Sequenced};
use rungate_server::boot::{self, Booted};
use rungate_server::config::{Config, Credentials};

use crate::traffic::{Plan, Traffic};

/// Entries of one commit, as the gateway's own drain has them.
const GROUP: usize = 256;
const EVERY: Duration = Duration::from_secs(2);

/// Writes the traffic into the first workspace of the store that the configuration names; makes both where there are none.
/// Seconds it took.
pub async fn fill(config: &Config, credentials: &Credentials, plan: &Plan) -> Result<f64> {
    let Booted { services, stores, .. } = boot::boot(config, credentials).await?;
    let workspace =
        services.directories.load().workspaces().next().context("there is no workspace")?.workspace.id();
    let log = &services.log;
    let Sequence(mut last) = log.applied().await?;
    let mut progress = Progress::new(plan.requests);
    let mut traffic = Traffic::new(plan.clone(), workspace);
    loop {
        let group: Vec<Sequenced> = (last + 1..)
            .zip(traffic.by_ref().take(GROUP))
            .map(|(number, entry)| Sequenced::new(Sequence(number), entry))
            .collect::<Result<_, _>>()?;
        let Some(end) = group.last() else { break };
        last = end.sequence.0;
        log.apply(&group).await?;
        progress.done(group.len() as u64);
    }
    let seconds = progress.start.elapsed().as_secs_f64();
    drop(services);
    stores.close().await;
    Ok(seconds)
}

/// Says on standard error how far it is.
struct Progress {
    start: Instant,
    said: Instant,
    done: u64,
    all: u64,
}

impl Progress {
    fn new(all: u64) -> Self {
        let now = Instant::now();
        Self { start: now, said: now, done: 0, all }
    }

    fn done(&mut self, more: u64) {
        self.done += more;
        if self.said.elapsed() >= EVERY || self.done == self.all {
            self.said = Instant::now();
            // Nobody has to listen.
            let _ = writeln!(std::io::stderr().lock(), "{}", line(self.done, self.all, self.start.elapsed()));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn line(done: u64, all: u64, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let left = (all - done) as f64 / rate.max(1.0);
    let percent = done * 100 / all.max(1);
    format!("{done} of {all} requests ({percent} %), {rate:.0}/s, {left:.0} s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_how_long_it_will_take() {
        let text = line(25_000, 100_000, Duration::from_secs(5));
        assert_eq!(text, "25000 of 100000 requests (25 %), 5000/s, 15 s left");
    }
}
