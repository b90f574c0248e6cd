//! The segment files of the journal's folder, and putting them in order when it is opened.
//!
//! A segment is named by the first sequence it was made for. Nothing is appended to a segment of an earlier process:
//! a torn end never has frames behind it that were written after the tear.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::scan::{Located, Newer, Scan, scan};

/// A file with frames that may still be needed.
#[derive(Debug)]
pub(super) struct Segment {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Its last intact frame.
    pub(super) last: u64,
    /// Its frames that the log has not taken over.
    pub(super) frames: VecDeque<Located>,
}

/// Bytes of a segment that belong to no intact frame: torn by a crash, or damaged on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub segment: PathBuf,
    /// The first damaged byte.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Where they were put aside; `None` when that failed, and they are still in the segment.
    pub saved: Option<PathBuf>,
}

/// What the folder held.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Segments with intact frames, oldest first.
    pub(super) segments: VecDeque<Segment>,
    /// The highest sequence that was ever given, as far as the files tell.
    pub(super) last: u64,
    /// What could not be read.
    pub(super) damage: Vec<Damage>,
}

/// The path of the segment that begins with a sequence.
pub(super) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.seg"))
}

/// Reads every segment, cuts torn ends off, and syncs what is left.
pub(super) fn load(dir: &Path, disk: &dyn Disk) -> io::Result<Loaded> {
    let mut loaded = Loaded::default();
    for (first, path) in list(dir)? {
        loaded.last = loaded.last.max(first.saturating_sub(1));
        let bytes = fs::read(&path)?;
        if bytes.is_empty() {
            fs::remove_file(&path)?;
            continue;
        }
        let scan = scan(&bytes, loaded.last).map_err(|Newer(version)| {
            io::Error::new(
                io::ErrorKind::Unsupported,
                format!("{} has format {version}, written by a newer version of rungate", path.display()),
            )
        })?;
        match scan.frames.back() {
            Some(frame) => {
                loaded.last = frame.sequence;
                loaded.keep(path, &bytes, scan, disk)?;
            }
            None => loaded.put_aside(dir, first, path, bytes.len()),
        }
    }
    disk.sync_dir(dir)?;
    Ok(loaded)
}

/// Segments in the order of their sequences; other files are none of ours.
pub(super) fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if let Some(first) = first_sequence(&path) {
            found.push((first, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn first_sequence(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    (name.len() == 20).then(|| name.parse().ok())?
}

impl Loaded {
    fn keep(&mut self, path: PathBuf, bytes: &[u8], scan: Scan, disk: &dyn Disk) -> io::Result<()> {
        let file = OpenOptions::new().append(true).open(&path)?;
        let mut end = bytes.len();
        for gap in scan.gaps {
            let saved = save(&path, gap.start as u64, &bytes[gap.clone()]);
            if gap.end == bytes.len() && saved.is_some() {
                end = gap.start;
            }
            self.report(path.clone(), &gap, saved);
        }
        disk.set_len(&file, end as u64)?;
        disk.sync(&file)?;
        let last = scan.frames.back().map_or(0, |frame| frame.sequence);
        self.segments.push_back(Segment { path, last, frames: scan.frames });
        Ok(())
    }

    /// A segment without one intact frame goes out of the way as a whole. Its name may have been given to a frame.
    fn put_aside(&mut self, dir: &Path, first: u64, path: PathBuf, length: usize) {
        self.last = self.last.max(first);
        let aside = damaged_path(dir, first, 0);
        let saved = match fs::rename(&path, &aside) {
            Ok(()) => Some(aside),
            Err(error) => {
                tracing::error!(segment = %path.display(), %error, "a damaged segment cannot be put aside");
                None
            }
        };
        self.report(path, &(0..length), saved);
    }

    fn report(&mut self, segment: PathBuf, gap: &Range<usize>, saved: Option<PathBuf>) {
        let damage = Damage { segment, offset: gap.start as u64, bytes: (gap.end - gap.start) as u64, saved };
        tracing::error!(
            segment = %damage.segment.display(),
            offset = damage.offset,
            bytes = damage.bytes,
            saved = ?damage.saved,
            "the journal has bytes that are no intact frame: torn by a crash or damaged on disk"
        );
        self.damage.push(damage);
    }
}

fn damaged_path(dir: &Path, first: u64, offset: u64) -> PathBuf {
    dir.join(format!("damaged-{first:020}-{offset}"))
}

/// Copies damaged bytes of a segment into a file of their own. Where it is; `None`, logged, when that fails.
pub(super) fn save(segment: &Path, offset: u64, bytes: &[u8]) -> Option<PathBuf> {
    let dir = segment.parent()?;
    let path = damaged_path(dir, first_sequence(segment)?, offset);
    match write_new(&path, bytes) {
        Ok(()) => Some(path),
        // Put aside when the journal was opened before; damage in the middle of a segment stays there.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Some(path),
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "damaged bytes of the journal cannot be put aside");
            let _ = fs::remove_file(&path);
            None
        }
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Takes the folder for this process alone. The lock goes with the file.
pub(super) fn lock(dir: &Path) -> io::Result<File> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(dir.join("lock"))?;
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!("another process has the journal in {}", dir.display()),
        )),
        // A file system without locks is no reason not to start.
        Ok(()) | Err(fs::TryLockError::Error(_)) => Ok(file),
    }
}
