//! Moves entries from the journal into the log, in groups, for as long as it takes.

use std::sync::Arc;
use std::time::Duration;

use rungate_core::exchange::{Sequence, Sequenced};
use rungate_core::ports::{Log, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Journal;

/// The log commits this many entries at once: what a commit costs is shared by all of them, and pages that many of them change
/// are written once.
const GROUP_ENTRIES: usize = 4096;

/// How often, and how many times, a smaller group is waited for, unless somebody waits for the log. Long enough for groups to
/// be large under load: a drain that takes turns with the threads that serve costs both what their caches held.
const GATHER: Duration = Duration::from_millis(25);
const GATHER_TIMES: u32 = 10;

/// Bytes of entries held in memory at once; more are not waited for.
const READ_BYTES: usize = 8 << 20;

/// Pauses between tries while the log fails: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// A log that keeps failing is spoken of this often.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// How long the last entries are tried at shutdown.
const LAST_CALL: Duration = Duration::from_secs(10);

/// Moves entries until `shutdown`, then what is left, as far as that goes within ten seconds. What does not go stays
/// in the journal and is moved at the next start.
///
/// Dropped in the middle of a batch it loses nothing: an entry leaves the journal when the log has it, and the log
/// leaves out what it has.
pub async fn run(journal: Arc<Journal>, log: Arc<dyn Log>, shutdown: CancellationToken) {
    let mut failing: Option<Failing> = None;
    let moving = async {
        loop {
            if failing.is_none() {
                gather(&journal).await;
            }
            match step(&journal, &*log).await {
                Ok(_) => recovered(&journal, &mut failing),
                Err(error) => {
                    journal.set_stalled(true);
                    let pause = failing.get_or_insert_with(Failing::new).again(&error, &journal);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    };
    tokio::select! {
        () = moving => {}
        () = shutdown.cancelled() => {}
    }
    last_call(&journal, &*log).await;
}

/// Waits for an entry, and a little for more.
async fn gather(journal: &Journal) {
    journal.wait_for_entries().await;
    for _ in 0..GATHER_TIMES {
        if journal.undrained_entries() >= GROUP_ENTRIES as u64
            || journal.undrained_bytes() >= READ_BYTES as u64
        {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            () = journal.wait_wanted() => return,
        }
    }
}

/// Moves one read's worth of entries. How many.
async fn step(journal: &Arc<Journal>, log: &dyn Log) -> Result<usize, StoreError> {
    let entries = read(journal).await?;
    for group in entries.chunks(GROUP_ENTRIES) {
        let _moving = journal.hold_drain().await;
        log.apply(group).await?;
        if let Some(last) = group.last() {
            journal.release(last.sequence);
        }
    }
    Ok(entries.len())
}

/// Takes what is in memory, and reads the rest on a thread that may wait for the disk.
async fn read(journal: &Arc<Journal>) -> Result<Vec<Sequenced>, StoreError> {
    if let Some(entries) = journal.remembered(journal.applied(), GROUP_ENTRIES, READ_BYTES) {
        return Ok(entries);
    }
    let reading = Arc::clone(journal);
    let read = tokio::task::spawn_blocking(move || reading.read(reading.applied(), READ_BYTES)).await;
    match read {
        Ok(Ok(entries)) => Ok(entries),
        Ok(Err(error)) => Err(StoreError::Unavailable(error.to_string())),
        Err(error) => Err(StoreError::Unavailable(format!("the journal was not read: {error}"))),
    }
}

/// Moves everything that is there. How many entries.
pub(super) async fn everything(journal: &Arc<Journal>, log: &dyn Log) -> Result<u64, StoreError> {
    let mut moved = 0;
    loop {
        match step(journal, log).await? {
            0 => return Ok(moved),
            entries => moved += entries as u64,
        }
    }
}

async fn last_call(journal: &Arc<Journal>, log: &dyn Log) {
    let moving = async {
        while let Err(error) = everything(journal, log).await {
            tracing::warn!(%error, "the log fails at shutdown");
            tokio::time::sleep(FIRST_PAUSE * 10).await;
        }
    };
    let _ = tokio::time::timeout(LAST_CALL, moving).await;
    let left = journal.undrained_entries();
    if left > 0 {
        tracing::warn!(left, "entries stay in the journal and reach the log at the next start");
    }
}

fn recovered(journal: &Journal, failing: &mut Option<Failing>) {
    if let Some(failing) = failing.take() {
        journal.set_stalled(false);
        tracing::info!(failures = failing.failures, "the log takes entries again");
    }
}

/// A log that fails, since when and how often.
struct Failing {
    failures: u64,
    pause: Duration,
    warned: Option<Instant>,
}

impl Failing {
    const fn new() -> Self {
        Self { failures: 0, pause: FIRST_PAUSE, warned: None }
    }

    /// Notes a failure; how long to wait until the next try.
    fn again(&mut self, error: &StoreError, journal: &Journal) -> Duration {
        self.failures += 1;
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            let Sequence(after) = journal.applied();
            let (failures, undrained_bytes) = (self.failures, journal.undrained_bytes());
            match error {
                StoreError::Unavailable(_) => {
                    tracing::warn!(%error, after, failures, undrained_bytes, "the log does not take entries");
                }
                StoreError::Corrupt(_) => {
                    tracing::error!(%error, after, failures, undrained_bytes, "the log cannot take entries");
                }
            }
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LAST_PAUSE);
        pause
    }
}
