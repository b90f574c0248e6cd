//! What the journal asks of a file system. An interface, so that tests can take the disk away.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Which bytes an allocation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allocation {
    /// Room behind the end of the file; its size stays.
    Ahead,
    /// The file itself grows.
    Grow,
}

/// The calls that change files and can fail for want of room.
pub(super) trait Disk: Send + Sync {
    /// Makes a new file for appending, readable by its owner alone. Fails if there is one.
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
    }

    /// Sees to it that the first `length` bytes have room. `false` where the file system has no such call.
    fn allocate(&self, file: &File, what: Allocation, length: u64) -> io::Result<bool> {
        fallocate(file, what, length)
    }

    /// Appends what one call takes; returns how much.
    fn write(&self, mut file: &File, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        file.write_vectored(parts)
    }

    /// Cuts or extends the file; also gives back room behind its new end.
    fn set_len(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    /// Returns when the file's bytes are on the disk.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Returns when the names in a folder are on the disk.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match File::open(dir)?.sync_all() {
            // Some file systems keep names by themselves and refuse the call.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    }
}

/// The disk of the machine.
pub(super) struct LocalDisk;

impl Disk for LocalDisk {}

#[cfg(target_os = "linux")]
fn fallocate(file: &File, what: Allocation, length: u64) -> io::Result<bool> {
    use rustix::fs::FallocateFlags;
    use rustix::io::Errno;
    let flags = match what {
        Allocation::Ahead => FallocateFlags::KEEP_SIZE,
        Allocation::Grow => FallocateFlags::empty(),
    };
    loop {
        match rustix::fs::fallocate(file, flags, 0, length) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn fallocate(_file: &File, _what: Allocation, _length: u64) -> io::Result<bool> {
    Ok(false)
}

/// Appends all parts, however many calls it takes. On failure a part of them may be in the file.
pub(super) fn write_all(disk: &dyn Disk, file: &File, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Takes leading empty parts away, so that "nothing written" below means a disk that takes nothing.
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match disk.write(file, parts) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut parts, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether a failure means that the disk has no room, rather than that it is broken.
pub(super) fn is_out_of_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::WriteZero
    )
}
