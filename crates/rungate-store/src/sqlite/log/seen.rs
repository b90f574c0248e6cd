//! Which runs and sessions `views.db` may know, in memory.
//!
//! Budgets and rules that look back ask for the past of each run and session when it first comes. Most are new, and to find
//! that out in the file takes two changes of threads, which is more than all else that governs a request.

use std::hash::RandomState;
use std::sync::atomic::{AtomicBool, Ordering};

use fastbloom::AtomicBloomFilter;
use rungate_core::activity::Attribution;
use rungate_core::exchange::{Entry, Sequenced};
use rungate_core::id::{RunId, SessionId, WorkspaceId};
use rungate_core::ports::StoreError;
use rusqlite::Connection;
use uuid::Uuid;

use super::super::error::OrStoreError;

/// 2 MiB. With a million runs and sessions one in fifty that are new is looked for in vain; with ten millions, most.
const BITS: usize = 1 << 24;
const HASHES: u32 = 4;

const RUN: u8 = 0;
const SESSION: u8 = 1;

/// Knows every run and session that the file has, and takes a few others for known. The writer adds to it before it commits.
pub(super) struct Seen {
    ids: AtomicBloomFilter<RandomState>,
    is_complete: AtomicBool,
}

impl Seen {
    /// Takes everything for known until it is [filled](Seen::fill).
    pub fn new() -> Self {
        let ids = AtomicBloomFilter::with_num_bits(BITS).hasher(RandomState::new()).hashes(HASHES);
        Self { ids, is_complete: AtomicBool::new(false) }
    }

    /// Whether the file may have the run.
    pub fn run(&self, workspace: WorkspaceId, id: &RunId) -> bool {
        self.has(RUN, workspace.uuid(), id.as_str())
    }

    /// Whether the file may have the session.
    pub fn session(&self, workspace: WorkspaceId, id: &SessionId) -> bool {
        self.has(SESSION, workspace.uuid(), id.as_str())
    }

    fn has(&self, kind: u8, workspace: Uuid, id: &str) -> bool {
        !self.is_complete.load(Ordering::Acquire) || self.ids.contains(&(kind, workspace.as_bytes(), id))
    }

    /// Reads what the file has, once. By the writer, so that nothing is added meanwhile.
    pub fn fill(&self, views: &Connection) -> Result<(), StoreError> {
        if self.is_complete.load(Ordering::Acquire) {
            return Ok(());
        }
        for (kind, sql) in [
            (RUN, "SELECT workspace, run_id FROM run"),
            (SESSION, "SELECT workspace, session_id FROM session"),
        ] {
            let mut statement = views.prepare(sql).or_store()?;
            let mut rows = statement.query([]).or_store()?;
            while let Some(row) = rows.next().or_store()? {
                let workspace: [u8; 16] = row.get(0).or_store()?;
                self.ids.insert(&(kind, &workspace, row.get_ref(1).or_store()?.as_str().unwrap_or_default()));
            }
        }
        self.is_complete.store(true, Ordering::Release);
        Ok(())
    }

    /// Adds what entries are about.
    pub fn note(&self, entries: &[&Sequenced]) {
        for entry in entries {
            let (workspace, run, session) = match &*entry.entry {
                Entry::Opened { record, .. } | Entry::Closed { record, .. } => {
                    let Attribution { run_id, session_id, .. } = &record.attribution;
                    (record.workspace_id, run_id.as_ref(), session_id.as_ref())
                }
                Entry::Trail { entry, .. } => {
                    (entry.workspace_id, Some(&entry.run_id), entry.session_id.as_ref())
                }
            };
            let workspace = workspace.uuid();
            if let Some(id) = run {
                self.ids.insert(&(RUN, workspace.as_bytes(), id.as_str()));
            }
            if let Some(id) = session {
                self.ids.insert(&(SESSION, workspace.as_bytes(), id.as_str()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conformance::fixture::{OURS, THEIRS, any_journal, numbered};
    use crate::sqlite::folder::Folder;
    use crate::sqlite::log::days::Days;
    use crate::sqlite::log::writer::LogWriter;

    #[test]
    fn what_the_file_has_is_known_before_and_after_a_restart_and_hardly_anything_else() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let open = || LogWriter::open(Arc::new(Days::open(folder.log()).unwrap())).unwrap();
        let first = numbered(1, any_journal(1, OURS, 300));
        let mut writer = open();
        writer.apply(&first).unwrap();
        drop(writer);

        let mut writer = open();
        let seen = writer.seen();
        let stranger = RunId::parse("never-seen").unwrap();
        assert!(seen.run(OURS, &stranger), "nothing is ruled out before the file was read");
        let second = numbered(first.len() as u64 + 1, any_journal(2, OURS, 3));
        writer.apply(&second).unwrap();
        assert!(!seen.run(OURS, &stranger));
        let (mut runs, mut sessions) = (0, 0);
        for entry in first.iter().chain(&second) {
            let attribution = &entry.entry.record().unwrap().attribution;
            if let Some(id) = &attribution.run_id {
                assert!(seen.run(OURS, id) && !seen.run(THEIRS, id), "{id}");
                runs += 1;
            }
            if let Some(id) = &attribution.session_id {
                assert!(seen.session(OURS, id) && !seen.session(THEIRS, id), "{id}");
                sessions += 1;
            }
        }
        assert!(runs > 10 && sessions > 10, "{runs} {sessions}");
    }
}
