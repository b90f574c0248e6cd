//! Lets another process copy the journal while it is written.
//!
//! A hold is a shared lock on a file in the journal's folder. As long as there is one, segments that the log has taken
//! over stay; they go with the next release after it. The kernel drops the lock with the process that has it, so a backup
//! that was killed holds nothing. Segments are removed under the exclusive lock, so whoever has a hold sees each of them
//! stay.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::scan::{Newer, Scan, scan};
use super::segment::{self, list};

/// Keeps the segments of a journal in their place.
#[derive(Debug)]
pub struct Hold {
    dir: PathBuf,
    first: Vec<PathBuf>,
    _lock: File,
}

/// What a folder of segments holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    /// Intact entries.
    pub entries: u64,
    /// The sequence of the last one.
    pub last: u64,
    /// Bytes that belong to no intact entry.
    pub damaged_bytes: u64,
}

impl Hold {
    /// Takes a hold on the journal in `dir`, whether a process writes it or not.
    pub fn take(dir: &Path) -> io::Result<Self> {
        let lock = open(dir)?;
        lock.lock_shared()?;
        let first = list(dir)?.into_iter().map(|(_, path)| path).collect();
        Ok(Self { dir: dir.to_owned(), first, _lock: lock })
    }

    /// Copies every segment into the folder `to`, each up to its last whole entry: everything that was appended before
    /// the call, and maybe some of what came after.
    pub fn copy(&self, to: &Path) -> io::Result<Contents> {
        let mut contents = Contents::default();
        let found = list(&self.dir)?;
        if let Some(gone) = self.first.iter().find(|path| !found.iter().any(|(_, found)| found == *path)) {
            return Err(io::Error::other(format!(
                "{} was removed while it was held: the hold lasted too long, or the server is of an older version",
                gone.display()
            )));
        }
        for (first, path) in found {
            let bytes = fs::read(&path)?;
            let scan = contents.add(&path, &bytes)?;
            let end = scan.frames.back().map_or(0, |frame| frame.offset + frame.bytes);
            let whole = usize::try_from(end).ok().and_then(|end| bytes.get(..end)).unwrap_or_default();
            if !whole.is_empty() {
                let copy = segment::path(to, first);
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(copy)?;
                file.write_all(whole)?;
                file.sync_all()?;
            }
        }
        Ok(contents)
    }
}

impl Contents {
    /// Reads the segments in `dir` and changes nothing.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let mut contents = Self::default();
        for (_, path) in list(dir)? {
            contents.add(&path, &fs::read(&path)?)?;
        }
        Ok(contents)
    }

    fn add(&mut self, path: &Path, bytes: &[u8]) -> io::Result<Scan> {
        let scan = scan(bytes, self.last).map_err(|Newer(version)| {
            let text =
                format!("{} has format {version}, written by a newer version of rungate", path.display());
            io::Error::new(io::ErrorKind::Unsupported, text)
        })?;
        self.entries += scan.frames.len() as u64;
        self.last = scan.frames.back().map_or(self.last, |frame| frame.sequence);
        self.damaged_bytes += scan.gaps.iter().map(|gap| gap.len() as u64).sum::<u64>();
        Ok(scan)
    }
}

/// Removes segments that are done with, unless somebody holds them: gives back those that stay. Above `most_bytes` no
/// hold counts, so that one which does not end cannot fill the disk.
pub(super) fn remove(dir: &Path, done: Vec<PathBuf>, most_bytes: u64) -> Vec<PathBuf> {
    // Dropped at the end: the exclusive lock goes with the file. Where there are no locks, there are no holds.
    let lock = open(dir).ok();
    let is_held =
        lock.as_ref().is_some_and(|lock| matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)));
    if is_held {
        let bytes: u64 = done.iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len()).sum();
        if bytes <= most_bytes {
            return done;
        }
        tracing::warn!(bytes, "a backup has held the journal for too long; it must be begun anew");
    }
    for path in done {
        // A file that stays is read again at the next start, and the log leaves out what it has.
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(segment = %path.display(), %error, "a segment that is done with cannot be removed");
        }
    }
    Vec::new()
}

fn open(dir: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(dir.join("hold"))
}
