//! The journal: the local append-only file that makes an exchange durable before its answer ends.

use std::path::PathBuf;
use std::time::Duration;

use rungate_core::exchange::{Entry, Sequence, Sequenced};

/// When an append counts as done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// When the kernel has the bytes: survives a killed process. Synced to disk in the background.
    #[default]
    Process,
    /// When the disk has them: survives a power cut. Appends that wait are synced together.
    Disk,
}

/// Where the journal lies and how large it may get.
#[derive(Debug, Clone)]
pub struct JournalConfig {
    /// Its folder.
    pub dir: PathBuf,
    /// When an append counts as done.
    pub durability: Durability,
    /// At most this many bytes that the log has not taken over yet; above, new exchanges are refused.
    pub max_bytes: u64,
    /// Size of one segment file.
    pub segment_bytes: u64,
}

/// Why an entry was not made durable.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The bound is reached: the log cannot keep up or is away.
    #[error("the journal is full: the log has not taken over {0} bytes")]
    Full(u64),
    /// The disk refused.
    #[error("the journal cannot be written: {0}")]
    Io(#[from] std::io::Error),
}

/// An append-only sequence of entries in segment files.
pub struct Journal {}

impl Journal {
    /// Opens the journal in its folder, made if absent.
    pub fn open(config: JournalConfig) -> Result<Self, JournalError> {
        let _ = config;
        Ok(Self {})
    }

    /// Appends an entry; returns when it is as durable as configured.
    ///
    /// An opening is refused when the bound is reached or the disk has no room. Room for the closing of every opening
    /// that was accepted is kept, so that a closing succeeds unless the disk itself fails; its bodies are left out,
    /// marked as truncated, where only the record still fits.
    pub async fn append(&self, entry: &Entry) -> Result<Sequence, JournalError> {
        let _ = entry;
        Err(JournalError::Full(0))
    }

    /// As [`Journal::append`], without waiting for the disk: for a destructor.
    pub fn append_now(&self, entry: &Entry) -> Result<Sequence, JournalError> {
        let _ = entry;
        Err(JournalError::Full(0))
    }

    /// The last entry appended.
    pub fn last(&self) -> Sequence {
        Sequence(0)
    }

    /// Entries after `after`, in order, until `max_bytes` are gathered (at least one, if there is one).
    pub fn read(&self, after: Sequence, max_bytes: usize) -> Result<Vec<Sequenced>, JournalError> {
        let _ = (after, max_bytes);
        Ok(Vec::new())
    }

    /// The log has taken over everything up to `sequence`: whole segments below may go.
    pub fn release(&self, sequence: Sequence) {
        let _ = sequence;
    }

    /// Waits until the log has taken over `sequence`, at most `patience`. Whether it has.
    pub async fn wait_applied(&self, sequence: Sequence, patience: Duration) -> bool {
        let _ = (sequence, patience);
        false
    }
}
