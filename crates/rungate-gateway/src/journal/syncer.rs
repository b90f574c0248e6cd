//! The thread that brings appended frames to the disk: many with one sync.

use std::sync::PoisonError;
use std::time::Duration;

use super::Shared;
use super::writer::Unsynced;

/// How long frames gather before they are synced when nobody waits for them.
const GATHER: Duration = Duration::from_millis(20);

/// What the disk has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Synced {
    /// Every frame up to here.
    pub(super) last: u64,
    /// Nothing more will come: a sync failed.
    pub(super) failed: bool,
}

/// Syncs until the journal is closed and everything is on the disk. With `waited_for`, at once.
pub(super) fn run(shared: &Shared, waited_for: bool) {
    while let Some(work) = next(shared, waited_for) {
        if let Err(error) = sync(shared, &work) {
            fail(shared, &error);
            return;
        }
        shared.synced.send_modify(|synced| synced.last = synced.last.max(work.last));
    }
}

/// Waits for something to sync. `None` when the journal is closed and there is nothing left.
fn next(shared: &Shared, waited_for: bool) -> Option<Unsynced> {
    let idle = |writer: &mut super::writer::Writer| !writer.is_dirty() && !writer.is_stopped();
    let mut writer = shared.dirty.wait_while(shared.lock(), idle).unwrap_or_else(PoisonError::into_inner);
    if !waited_for {
        let gathering = |writer: &mut super::writer::Writer| !writer.is_stopped();
        let waited = shared.dirty.wait_timeout_while(writer, GATHER, gathering);
        writer = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    writer.is_dirty().then(|| writer.take_unsynced())
}

fn sync(shared: &Shared, work: &Unsynced) -> std::io::Result<()> {
    for file in &work.files {
        shared.disk.sync(file)?;
    }
    if work.names {
        shared.disk.sync_dir(&shared.dir)?;
    }
    Ok(())
}

/// After a failed sync the kernel may have thrown the frames away and forgotten that they were not written. A later
/// sync that succeeds proves nothing, so there is none.
fn fail(shared: &Shared, error: &std::io::Error) {
    tracing::error!(%error, "the journal cannot be synced; nothing more is accepted until the gateway is restarted");
    shared.lock().stop(format!("a sync failed, and what it covered may be lost: {error}"));
    shared.synced.send_modify(|synced| synced.failed = true);
}
