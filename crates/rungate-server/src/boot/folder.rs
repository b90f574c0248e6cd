//! The data folder and the files in it that only their owner may read.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Lies in a data folder while a backup is brought into it.
pub const RESTORING: &str = "restoring";

const GROUP_AND_OTHERS: u32 = 0o077;

/// Makes the folder for its owner alone. An empty one that exists (a mounted volume) is closed to others too; one that
/// holds something is left as it is, and warned about, since it may be somebody else's.
pub fn prepare(dir: &Path) -> io::Result<()> {
    if !dir.try_exists()? {
        return make(dir);
    }
    if !is_open_to_others(dir)? {
        return Ok(());
    }
    let is_empty = fs::read_dir(dir)?.next().is_none();
    if is_empty && fs::set_permissions(dir, Permissions::from_mode(0o700)).is_ok() {
        return Ok(());
    }
    tracing::warn!(folder = %dir.display(), "other users of this machine can look into the data folder; chmod 700 closes it");
    Ok(())
}

/// Makes a folder, and those above it, for their owner alone.
pub fn make(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Copies a file, so that only its owner can read the copy.
pub fn copy_private(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = fs::File::open(from)?;
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut source, &mut copy)?;
    copy.sync_all()
}

/// Reads a file that only its owner should be able to read; `None` when there is none.
pub fn read_private(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            if is_open_to_others(path)? {
                tracing::warn!(file = %path.display(), "other users of this machine can read this secret; chmod 600 closes it");
            }
            Ok(Some(text))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a new file that only its owner can read, whole or not at all, also across a power cut.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    match path.parent() {
        Some(dir) => fs::File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & GROUP_AND_OTHERS != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn new_and_empty_folders_are_closed_and_full_ones_left() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("a/b");
        prepare(&new).unwrap();
        assert_eq!(mode(&new), 0o700);

        let mounted = dir.path().join("mounted");
        fs::create_dir(&mounted).unwrap();
        fs::set_permissions(&mounted, Permissions::from_mode(0o755)).unwrap();
        prepare(&mounted).unwrap();
        assert_eq!(mode(&mounted), 0o700);

        fs::set_permissions(&mounted, Permissions::from_mode(0o755)).unwrap();
        fs::write(mounted.join("file"), "").unwrap();
        prepare(&mounted).unwrap();
        assert_eq!(mode(&mounted), 0o755);
    }

    #[test]
    fn private_files_are_private_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sealing.key");
        assert_eq!(read_private(&path).unwrap(), None);
        write_private(&path, "text\n").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(read_private(&path).unwrap().as_deref(), Some("text\n"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
