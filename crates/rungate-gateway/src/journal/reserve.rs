//! Disk space held back for the closings of open exchanges.
//!
//! A file of real blocks that nobody uses. When the disk is full it is made smaller, and what that frees takes the
//! closings. An opening is refused unless the reserve covers its closing too.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::disk::{Allocation, Disk, is_out_of_room};

/// The reserve grows by this much at a time, so that few openings pay for it.
const STEP_BYTES: u64 = 4 << 20;

/// A closing frees at least this much at a time.
pub(super) const SLICE_BYTES: u64 = 1 << 20;

/// The reserve file.
#[derive(Debug)]
pub(super) struct Reserve {
    file: File,
    bytes: u64,
    step: u64,
    /// Whether the file system can hold room back at all; where it cannot, nothing is promised.
    supported: bool,
}

impl Reserve {
    /// Opens the reserve of a journal of `max_bytes`. On a full disk it is as large as an earlier process left it.
    pub(super) fn open(dir: &Path, max_bytes: u64, disk: &dyn Disk) -> io::Result<Self> {
        let path = dir.join("reserve");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let step = STEP_BYTES.min(max_bytes / 4).max(1);
        let mut bytes = file.metadata()?.len();
        if bytes > step {
            disk.set_len(&file, step)?;
            bytes = step;
        }
        let mut reserve = Self { file, bytes, step, supported: true };
        match reserve.cover(step, disk) {
            Err(error) if !is_out_of_room(&error) => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(reserve)
    }

    /// Sees to it that `bytes` are held back.
    pub(super) fn cover(&mut self, bytes: u64, disk: &dyn Disk) -> io::Result<()> {
        if bytes <= self.bytes || !self.supported {
            return Ok(());
        }
        let target = bytes.next_multiple_of(self.step);
        match disk.allocate(&self.file, Allocation::Grow, target) {
            Ok(supported) => self.supported = supported,
            Err(error) => {
                // What was given before the disk was full is not to be kept from everybody else.
                disk.set_len(&self.file, self.bytes)?;
                return Err(error);
            }
        }
        self.bytes = target;
        Ok(())
    }

    /// Gives room for `bytes` back to the disk, a little more than that, or all that is left.
    pub(super) fn give_back(&mut self, bytes: u64, disk: &dyn Disk) -> io::Result<()> {
        let left = self.bytes.saturating_sub(bytes.max(SLICE_BYTES));
        disk.set_len(&self.file, left)?;
        self.bytes = left;
        Ok(())
    }
}
