//! No room: by the bound, on a disk that is really full, and on disks that break in every other way.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rungate_core::exchange::{Entry, Sequence, Sequenced};

use super::{closed, config, open, opened, read_all, segments, told};
use crate::journal::disk::{Allocation, Disk};
use crate::journal::{Durability, Journal, JournalConfig, JournalError};

#[test]
fn above_the_bound_openings_and_refusals_are_refused_but_closings_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let config = JournalConfig { max_bytes: 200 << 10, ..config(folder.path()) };
    let journal = open(&config);
    let mut open_exchanges = 0;
    while journal.append_now(opened(open_exchanges, 10_000)).is_ok() {
        open_exchanges += 1;
    }
    assert!(open_exchanges >= 5);
    let used = journal.undrained_bytes() + journal.held_bytes();
    assert!(used <= config.max_bytes && used > config.max_bytes - 40_000);
    assert!(matches!(journal.append_now(opened(99, 30_000)), Err(JournalError::Full(_))));
    for refusal in 100..300 {
        if let Err(error) = journal.append_now(closed(refusal, 10_000)) {
            assert!(matches!(error, JournalError::Full(_)));
        }
    }
    assert!(matches!(journal.append_now(closed(300, 0)), Err(JournalError::Full(_))));

    let before = journal.last();
    for number in 0..open_exchanges {
        journal.append_now(closed(number, 250_000)).unwrap();
    }
    assert!(journal.undrained_bytes() <= config.max_bytes);
    assert_eq!(journal.held_bytes(), 0);
    for entry in &read_all(&journal)[usize::try_from(before.0).unwrap()..] {
        let Entry::Closed { response: Some(body), record, .. } = &*entry.entry else { panic!("{entry:?}") };
        assert_eq!((body.bytes.len(), body.truncated, record.status), (0, true, Some(200)));
    }

    journal.release(journal.last());
    journal.append_now(opened(400, 10_000)).unwrap();
}

#[test]
fn bodies_that_make_a_frame_too_large_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let config = JournalConfig { max_bytes: 1 << 30, ..config(folder.path()) };
    let journal = open(&config);
    journal.append_now(opened(1, 161 << 20)).unwrap();
    let Entry::Opened { request: Some(body), .. } = &*read_all(&journal)[0].entry else { panic!() };
    assert!(body.truncated && body.bytes.is_empty());
}

/// A file system of 12 MiB; `None` where this user may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("SKIPPED: a full disk needs the right to mount a tmpfs");
        }
        mounted.then_some(Self(folder))
    }

    /// Leaves no byte.
    fn fill(&self) {
        let mut filler =
            File::options().append(true).create(true).open(self.0.path().join("filler")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while filler.write_all(&vec![1; size]).is_ok() {}
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_full_disk_openings_are_refused_and_every_open_exchange_can_be_closed() {
    let Some(disk) = SmallDisk::mount() else { return };
    let config = config(disk.0.path());
    let journal = open(&config);
    // So that their closings need more than the room that is given to a segment in advance.
    let mut open_exchanges = 0;
    for _ in 0..100 {
        journal.append_now(opened(open_exchanges, 2_000)).unwrap();
        open_exchanges += 1;
    }
    disk.fill();
    let error = loop {
        match journal.append_now(opened(open_exchanges, 2_000)) {
            Ok(_) => open_exchanges += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(&error, JournalError::Io(error) if error.kind() == io::ErrorKind::StorageFull),
        "{error}"
    );
    for number in 0..open_exchanges {
        // Somebody else takes everything that is given back.
        disk.fill();
        journal.append_now(closed(number, 50_000)).unwrap();
    }
    assert!(journal.append_now(opened(1_000, 60_000)).is_err());
    drop(journal);

    let journal = open(&config);
    assert!(journal.damage().is_empty());
    let closings =
        read_all(&journal).iter().filter(|entry| entry.entry.record().unwrap().is_closed()).count() as u64;
    assert_eq!(closings, open_exchanges);
    std::fs::remove_file(disk.0.path().join("filler")).unwrap();
    journal.append_now(opened(2_000, 60_000)).unwrap();
}

/// A disk that breaks on demand.
#[derive(Default)]
struct BrokenDisk {
    /// Writes take this many bytes in all, then fail; 0 is no limit.
    writable: AtomicU64,
    no_truncate: AtomicBool,
    no_sync: AtomicBool,
    no_allocate: AtomicBool,
}

impl Disk for BrokenDisk {
    fn allocate(&self, file: &File, what: Allocation, length: u64) -> io::Result<bool> {
        if self.no_allocate.load(Ordering::Relaxed) {
            return Ok(false);
        }
        crate::journal::disk::LocalDisk.allocate(file, what, length)
    }

    fn write(&self, mut file: &File, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let left = self.writable.load(Ordering::Relaxed);
        if left == 0 {
            return file.write_vectored(parts);
        }
        if left == 1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let first = parts.iter().find(|part| !part.is_empty()).unwrap();
        let written = file.write(&first[..first.len().min(usize::try_from(left).unwrap() - 1)])?;
        self.writable.store(left - written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn set_len(&self, file: &File, length: u64) -> io::Result<()> {
        if self.no_truncate.load(Ordering::Relaxed) {
            return Err(io::Error::other("no truncate"));
        }
        file.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.no_sync.load(Ordering::Relaxed) {
            return Err(io::Error::other("no sync"));
        }
        file.sync_data()
    }
}

fn open_broken(config: &JournalConfig) -> (Arc<BrokenDisk>, Journal) {
    let disk = Arc::new(BrokenDisk::default());
    let journal = Journal::open_on(config.clone(), Arc::clone(&disk) as Arc<dyn Disk>).unwrap();
    (disk, journal)
}

fn intact_after_reopening(config: &JournalConfig, expected: &[u64], damaged: usize) {
    let journal = open(config);
    assert_eq!(journal.damage().len(), damaged);
    assert_eq!(read_all(&journal).iter().map(|entry| entry.sequence.0).collect::<Vec<_>>(), expected);
}

#[test]
fn a_frame_that_is_written_in_part_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let (disk, journal) = open_broken(&config);
    journal.append_now(opened(1, 100)).unwrap();
    for part in [1, 2, 20, 45, 500] {
        disk.writable.store(part, Ordering::Relaxed);
        assert!(journal.append_now(opened(2, 100)).is_err());
    }
    disk.writable.store(0, Ordering::Relaxed);
    assert_eq!(journal.append_now(opened(3, 100)).unwrap(), Sequence(2));
    drop(journal);
    intact_after_reopening(&config, &[1, 2], 0);
}

#[test]
fn a_segment_with_a_part_that_cannot_be_taken_back_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let (disk, journal) = open_broken(&config);
    journal.append_now(opened(1, 100)).unwrap();
    disk.no_truncate.store(true, Ordering::Relaxed);
    // The second failure leaves a segment without one frame.
    for _ in 0..2 {
        disk.writable.store(100, Ordering::Relaxed);
        assert!(journal.append_now(opened(2, 100)).is_err());
    }
    disk.writable.store(0, Ordering::Relaxed);
    let next = journal.append_now(opened(3, 100)).unwrap();
    assert_eq!(segments(&config).len(), 3);
    assert_eq!(read_all(&journal).len(), 2);
    drop(journal);
    intact_after_reopening(&config, &[1, next.0], 2);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_accepted_any_more() {
    for durability in [Durability::Disk, Durability::Process] {
        let folder = tempfile::tempdir().unwrap();
        let config = JournalConfig { durability, ..config(folder.path()) };
        let (disk, journal) = open_broken(&config);
        journal.append(opened(1, 100)).await.unwrap();
        disk.no_sync.store(true, Ordering::Relaxed);
        let second = journal.append(opened(2, 100)).await;
        assert_eq!(second.is_err(), durability == Durability::Disk);
        journal.shared.synced.subscribe().wait_for(|synced| synced.failed).await.unwrap();
        disk.no_sync.store(false, Ordering::Relaxed);
        for entry in [opened(3, 100), closed(1, 100)] {
            let error = journal.append(entry).await.unwrap_err();
            assert!(error.to_string().contains("a sync failed"), "{error}");
        }
    }
}

#[test]
fn a_file_system_without_allocation_works_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let disk = Arc::new(BrokenDisk::default());
    disk.no_allocate.store(true, Ordering::Relaxed);
    let journal = Journal::open_on(config.clone(), Arc::clone(&disk) as Arc<dyn Disk>).unwrap();
    for number in 0..20 {
        journal.append_now(opened(number, 10_000)).unwrap();
    }
    // A closing whose bodies do not fit any more.
    disk.writable.store(5_000, Ordering::Relaxed);
    journal.append_now(closed(0, 20_000)).unwrap_err();
    disk.writable.store(0, Ordering::Relaxed);
    journal.append_now(closed(0, 20_000)).unwrap();
    drop(journal);
    intact_after_reopening(&config, &(1..=21).collect::<Vec<_>>(), 0);
}

#[test]
fn room_given_in_advance_goes_back_to_the_disk() {
    use std::os::unix::fs::MetadataExt as _;
    let on_disk = |path: &Path| path.metadata().unwrap().blocks() * 512;
    let folder = tempfile::tempdir().unwrap();
    let config = JournalConfig { segment_bytes: 1 << 20, ..config(folder.path()) };
    let journal = open(&config);
    journal.append_now(opened(1, 10)).unwrap();
    let path = segments(&config)[0].clone();
    if on_disk(&path) < 1 << 20 {
        eprintln!("SKIPPED: this file system gives no room in advance");
        return;
    }
    drop(journal);
    let _journal = open(&config);
    assert!(on_disk(&path) <= 16 << 10);
}

#[test]
fn what_is_reported_of_a_run_is_kept_whole_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = JournalConfig { max_bytes: 100 << 10, ..config(folder.path()) };
    let journal = open(&config);
    let mut kept = 0;
    while journal.append_now(told(kept, 10_000)).is_ok() {
        kept += 1;
    }
    assert!((5..10).contains(&kept), "{kept}");
    assert!(matches!(journal.append_now(told(99, 10_000)), Err(JournalError::Full(_))));
    let whole = |entry: &Sequenced| matches!(&*entry.entry, Entry::Trail { content: Some(body), .. } if body.bytes.len() == 10_000);
    assert_eq!(read_all(&journal).iter().filter(|entry| whole(entry)).count() as u64, kept);
    journal.release(journal.last());
    journal.append_now(told(99, 10_000)).unwrap();
}
