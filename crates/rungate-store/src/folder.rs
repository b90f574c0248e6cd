//! The data folder: made for its owner alone, and locked against a second process. Whatever keeps the rows, the journal
//! and the sealing key lie there.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rungate_core::ports::StoreError;

/// A locked data folder. The lock goes with the value, so whoever writes in the folder holds it.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    _lock: File,
}

impl Folder {
    /// Opens or makes the folder and locks it.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        make(dir)?;
        let path = dir.join("lock");
        let lock = private().open(&path).map_err(|error| unusable(&path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Unavailable(format!(
                "the data folder {} is in use by another process",
                dir.display()
            ))),
            Err(TryLockError::Error(error)) => Err(unusable(&path, &error)),
        }
    }

    /// The file of the catalog.
    pub fn control(&self) -> PathBuf {
        self.dir.join("control.db")
    }

    /// The folder of the log; not made yet.
    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }
}

/// Options that make a file which only its owner can read.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
}

/// Makes the names of new files in `dir` durable.
pub(crate) fn sync_names(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| unusable(dir, &error))
}

/// Makes a folder for its owner alone, if absent.
pub(crate) fn make(dir: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| unusable(dir, &error))
}

/// An error of the file system, with the path it is about.
pub(crate) fn unusable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}
