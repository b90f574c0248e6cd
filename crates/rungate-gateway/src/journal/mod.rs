//! The journal: the local append-only file that makes an exchange durable before its answer ends, and what is reported of a
//! run before it is acknowledged.
//!
//! It owns the folder it lies in and the numbers of its entries. It knows nothing of the log behind it but the port.
//! Modules import from those listed above them.

mod disk;
mod frame;
mod reserve;
mod scan;
mod segment;
mod tail;
mod writer;

mod reader;
mod syncer;

pub mod drain;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod hold;
pub mod recover;

#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rungate_core::exchange::{Body, Entry, ExchangeRecord, Sequence, Sequenced};
use rungate_core::id::ExchangeId;
use rungate_core::time::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use disk::{Disk, LocalDisk};
use frame::Frame;
use reserve::Reserve;
pub use segment::Damage;
use syncer::Synced;
use tail::Content;
use writer::Writer;

/// To what an exchange's id knows when it began.
const MILLISECOND: Duration = Duration::from_millis(1);

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
    Io(#[from] io::Error),
}

/// An append-only sequence of entries in segment files.
pub struct Journal {
    shared: Arc<Shared>,
    durability: Durability,
    damage: Vec<Damage>,
    syncer: Mutex<Option<JoinHandle<()>>>,
    /// Since when the log refuses entries.
    stalled: Mutex<Option<Instant>>,
    /// Segments that are done with, and that a backup holds.
    kept: Mutex<Vec<PathBuf>>,
    /// Keeps other processes out of the folder.
    _lock: File,
}

/// What appends, syncs and reads share.
struct Shared {
    writer: Mutex<Writer>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// There is something to sync, or the journal was closed.
    dirty: Condvar,
    synced: watch::Sender<Synced>,
    applied: watch::Sender<Sequence>,
    appended: Notify,
    /// Somebody waits for the log to have what is there.
    wanted: Notify,
    /// Held while entries are moved into the log.
    moving: tokio::sync::Mutex<()>,
}

impl Shared {
    /// A thread that panicked with the lock held did so between whole steps: the writer changes its own state only
    /// after the file system has done its part.
    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Opens the journal in its folder, made if absent.
    ///
    /// Torn ends are put aside, cut off, logged, and told by [`Journal::damage`].
    pub fn open(config: JournalConfig) -> Result<Self, JournalError> {
        Self::open_on(config, Arc::new(LocalDisk))
    }

    fn open_on(config: JournalConfig, disk: Arc<dyn Disk>) -> Result<Self, JournalError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&config.dir)?;
        let lock = segment::lock(&config.dir)?;
        let mut loaded = segment::load(&config.dir, &*disk)?;
        let reserve = Reserve::open(&config.dir, config.max_bytes, &*disk)?;
        let damage = std::mem::take(&mut loaded.damage);
        let (dir, durability) = (config.dir.clone(), config.durability);
        let writer = Writer::new(Arc::clone(&disk), config, loaded, reserve);
        let last = writer.last();
        let applied = writer.first_undrained().map_or(last, |first| Sequence(first - 1));
        let shared = Arc::new(Shared {
            writer: Mutex::new(writer),
            disk,
            dir,
            dirty: Condvar::new(),
            synced: watch::Sender::new(Synced { last: last.0, failed: false }),
            applied: watch::Sender::new(applied),
            appended: Notify::new(),
            wanted: Notify::new(),
            moving: tokio::sync::Mutex::default(),
        });
        let syncing = Arc::clone(&shared);
        let syncer = std::thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(move || syncer::run(&syncing, durability == Durability::Disk))?;
        Ok(Self {
            shared,
            durability,
            damage,
            syncer: Mutex::new(Some(syncer)),
            stalled: Mutex::new(None),
            kept: Mutex::default(),
            _lock: lock,
        })
    }

    /// Appends an entry; returns when it is as durable as configured.
    ///
    /// An opening is refused when the bound is reached or the disk has no room. Room for the closing of every opening
    /// that was accepted is kept, so that a closing succeeds unless the disk itself fails; its bodies are left out,
    /// marked as truncated, where only the record still fits.
    pub async fn append(&self, entry: impl Into<Arc<Entry>>) -> Result<Sequence, JournalError> {
        let sequence = self.append_now(entry)?;
        self.wait_durable(sequence).await
    }

    /// Waits until an entry that was appended is as durable as configured.
    pub async fn wait_durable(&self, sequence: Sequence) -> Result<Sequence, JournalError> {
        if self.durability == Durability::Disk {
            self.wait_synced(sequence).await?;
        }
        Ok(sequence)
    }

    /// As [`Journal::append`], and on disk when it returns, however it is configured.
    pub async fn append_synced(&self, entry: impl Into<Arc<Entry>>) -> Result<Sequence, JournalError> {
        let sequence = self.append_now(entry)?;
        self.wait_synced(sequence).await?;
        Ok(sequence)
    }

    /// As [`Journal::append`], without waiting for the disk: for a destructor.
    pub fn append_now(&self, entry: impl Into<Arc<Entry>>) -> Result<Sequence, JournalError> {
        let entry = entry.into();
        self.write(&Frame::encode(&entry)?, Content::of(&entry))
    }

    /// As [`Journal::append`], of an opening whose record goes on to change.
    pub async fn open_exchange(
        &self,
        record: &ExchangeRecord,
        request: Option<Body>,
    ) -> Result<Sequence, JournalError> {
        let sequence = {
            let frame = Frame::opening(record, request.as_ref())?;
            // The body is counted, not copied.
            self.write(&frame, Content::Opened { exchange: record.id, request: request.clone() })?
        };
        self.wait_durable(sequence).await
    }

    fn write(&self, frame: &Frame<'_>, content: Content) -> Result<Sequence, JournalError> {
        let mut writer = self.shared.lock();
        let was_dirty = writer.is_dirty();
        let sequence = writer.append(frame, content)?;
        drop(writer);
        if !was_dirty {
            self.shared.dirty.notify_one();
        }
        self.shared.appended.notify_one();
        Ok(sequence)
    }

    async fn wait_synced(&self, sequence: Sequence) -> Result<(), JournalError> {
        let mut synced = self.shared.synced.subscribe();
        match synced.wait_for(|synced| synced.failed || synced.last >= sequence.0).await {
            Ok(synced) if synced.last >= sequence.0 => Ok(()),
            Ok(_) | Err(_) => Err(io::Error::other("the journal could not be synced").into()),
        }
    }

    /// The last entry appended.
    pub fn last(&self) -> Sequence {
        self.shared.lock().last()
    }

    /// Every sequence given from now on is above `sequence`: the log has applied entries that this journal may have
    /// lost since.
    pub fn ensure_after(&self, sequence: Sequence) {
        self.shared.lock().ensure_after(sequence.0);
    }

    /// As [`Journal::read`], of what is still in memory and of at most `max_entries`; `None` when it has to be read. An
    /// opening whose closing is among them comes with it.
    fn remembered(&self, after: Sequence, max_entries: usize, max_bytes: usize) -> Option<Vec<Sequenced>> {
        let remembered = self.shared.lock().tail().read(after.0, max_entries, max_bytes as u64)?;
        tail::gather(remembered)
    }

    /// Entries after `after`, in order, until `max_bytes` are gathered (at least one, if there is one).
    pub fn read(&self, after: Sequence, max_bytes: usize) -> Result<Vec<Sequenced>, JournalError> {
        Ok(reader::read(&self.shared, after.0, max_bytes as u64)?)
    }

    /// The log has taken over everything up to `sequence`: whole segments below may go.
    pub fn release(&self, sequence: Sequence) {
        let mut writer = self.shared.lock();
        let (done, max_bytes) = (writer.release(sequence.0), writer.max_bytes());
        drop(writer);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(done);
        if !kept.is_empty() {
            let done = std::mem::take(&mut *kept);
            *kept = hold::remove(&self.shared.dir, done, max_bytes);
        }
        drop(kept);
        self.shared.applied.send_if_modified(|applied| {
            let further = sequence > *applied;
            *applied = sequence.max(*applied);
            further
        });
    }

    /// Lets go of every file as soon as the log has all of it, the newest included: nothing of what was appended before the
    /// call stays here then.
    pub fn retire(&self) {
        self.shared.lock().retire();
        self.release(self.applied());
    }

    /// Up to where the log has taken over, as far as this process knows.
    pub fn applied(&self) -> Sequence {
        *self.shared.applied.borrow()
    }

    /// Whether an entry that the log has not taken over may say `text`, such as an id.
    pub fn may_say(&self, text: &str) -> bool {
        let is_escaped = text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        is_escaped || self.is_any_waiting(|entry| entry.says(text))
    }

    /// Whether an entry that the log has not taken over may be of an exchange that began within `from` and `to`.
    pub fn may_be_within(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> bool {
        self.is_any_waiting(|entry| {
            // To the millisecond, rounded down.
            let Some(exchange) = entry.exchange() else { return false };
            exchange.started_at().is_none_or(|at| {
                from.is_none_or(|from| from.minus(MILLISECOND) <= at) && to.is_none_or(|to| at < to)
            })
        })
    }

    /// What is no longer in memory may be anything.
    fn is_any_waiting(&self, is: impl Fn(&tail::Remembered) -> bool) -> bool {
        let waiting = self.shared.lock().tail().after(self.applied().0);
        waiting.is_none_or(|waiting| waiting.iter().any(is))
    }

    /// Waits until the log has taken over `sequence`, at most `patience`. Whether it has.
    pub async fn wait_applied(&self, sequence: Sequence, patience: Duration) -> bool {
        // Whoever waits makes the drain move smaller groups.
        if self.applied() >= sequence {
            return true;
        }
        let mut applied = self.shared.applied.subscribe();
        self.shared.wanted.notify_one();
        let waiting = applied.wait_for(|applied| *applied >= sequence);
        matches!(tokio::time::timeout(patience, waiting).await, Ok(Ok(_)))
    }

    /// Keeps the drain from moving anything into the log: what is there is what [`Journal::applied`] says, and no more.
    pub async fn hold_drain(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.shared.moving.lock().await
    }

    /// Waits until there is an entry that the log has not taken over. For one waiter at a time.
    async fn wait_for_entries(&self) {
        while self.undrained_entries() == 0 {
            self.shared.appended.notified().await;
        }
    }

    /// Waits until somebody waits for the log. For one waiter at a time.
    async fn wait_wanted(&self) {
        self.shared.wanted.notified().await;
    }

    /// Keeps room for the closing of an exchange that an earlier process opened.
    fn adopt(&self, exchange: ExchangeId) {
        self.shared.lock().adopt(exchange);
    }

    /// Bytes of entries that the log has not taken over.
    pub fn undrained_bytes(&self) -> u64 {
        self.shared.lock().undrained_bytes()
    }

    /// How many entries the log has not taken over.
    pub fn undrained_entries(&self) -> u64 {
        self.shared.lock().undrained_entries()
    }

    /// Bytes kept for the closings of open exchanges; they count against the bound.
    pub fn held_bytes(&self) -> u64 {
        self.shared.lock().held_bytes()
    }

    /// How long the log has been refusing entries; `None` when it takes them.
    pub fn stalled_for(&self) -> Option<Duration> {
        let stalled = *self.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        stalled.map(|since| since.elapsed())
    }

    fn set_stalled(&self, stalled: bool) {
        let mut since = self.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if stalled { since.or_else(|| Some(Instant::now())) } else { None };
    }

    /// What could not be read when it was opened.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Brings everything to the disk, and refuses what comes after. Blocks for as long as a sync takes.
    pub fn close(&self) {
        self.shared.lock().stop("the journal is closed".to_owned());
        self.shared.dirty.notify_one();
        let syncer = self.syncer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if syncer.is_some_and(|syncer| syncer.join().is_err()) {
            tracing::error!("the journal's sync thread has panicked");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}
