//! Takes a backup of a data folder, whether a server runs on it or not.
//!
//! The journal is held first and copied after the log. So the copied log begins a replay at its own place, the copied
//! journal has everything from there to a moment after the backup began, and what the log has already is left out by
//! it: nothing that was acknowledged before is missing, nothing stands twice. With a database it is the same: its place of
//! this node's journal is part of what is copied as of one moment.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use rungate_core::keyring::Keyring;
use rungate_core::time::Timestamp;
use rungate_gateway::journal::hold::Hold;
use rungate_store::DatabaseUrl;
use rungate_store::backup::database::{self, Dump};
use rungate_store::backup::{Contents, copy_catalog, copy_log, inspect};

use super::manifest::{JournalContents, Listed, MANIFEST, Manifest, OF_DATABASE, OF_FOLDER};
use super::{archive, verify};
use crate::boot::folder::write_private;
use crate::boot::keys::{self, SEALING_KEY_FILE};
use crate::boot::node::{self, NODE_FILE};

/// What is to be backed up, and where to.
#[derive(Debug)]
pub struct Order<'a> {
    /// The data folder.
    pub data: &'a Path,
    /// The database that has everything but the journal and the keys; `None` where the data folder has it all.
    pub database: Option<&'a DatabaseUrl>,
    /// A folder or, by its name, an archive; not there yet.
    pub destination: &'a Path,
    /// Whether the sealing key goes with it.
    pub with_sealing_key: bool,
    /// The time.
    pub now: Timestamp,
}

/// Takes a backup and verifies it. Nothing stands under the final name before that is done.
pub async fn take(order: &Order<'_>, tell: &mut dyn FnMut(&str)) -> anyhow::Result<Manifest> {
    let Order { data, destination, .. } = *order;
    let parts =
        if order.database.is_some() { ["journal", NODE_FILE] } else { ["control.db", "log/views.db"] };
    ensure!(
        parts.iter().all(|part| data.join(part).exists()),
        "there is no data of Rungate in {}",
        data.display()
    );
    let parent = match destination.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let place = parent.canonicalize().with_context(|| format!("{} cannot be used", parent.display()))?;
    let data_place = data.canonicalize().with_context(|| data.display().to_string())?;
    ensure!(
        !place.starts_with(&data_place),
        "{} lies in the data folder; a backup belongs elsewhere, best on another disk",
        destination.display()
    );
    ensure!(!destination.exists(), "{} is there already", destination.display());
    let partial = Partial::make(destination)?;
    let tree = partial.dir.join("tree");
    private_dir(&tree)?;
    let manifest = copy(order, &tree, tell).await?;
    verify::folder(&tree, tell)?;
    let whole = if is_archive(destination) {
        tell("packing");
        let packed = partial.dir.join("archive");
        archive::pack(&tree, &manifest, &packed)?;
        tell("verifying the archive");
        archive::check(&packed, &manifest)?;
        packed
    } else {
        tree
    };
    ensure!(!destination.exists(), "{} has come into being meanwhile", destination.display());
    fs::rename(&whole, destination).with_context(|| destination.display().to_string())?;
    File::open(&place).and_then(|dir| dir.sync_all()).with_context(|| place.display().to_string())?;
    Ok(manifest)
}

/// Whether a name is that of an archive.
fn is_archive(path: &Path) -> bool {
    path.to_str().is_some_and(|name| name.ends_with(archive::SUFFIX))
}

async fn copy(order: &Order<'_>, tree: &Path, tell: &mut dyn FnMut(&str)) -> anyhow::Result<Manifest> {
    let Order { data, with_sealing_key, now, .. } = *order;
    let mut copying = |name: &str| tell(&format!("copying {name}"));
    let hold = Hold::take(&data.join("journal")).context("the journal cannot be held")?;
    let database = match order.database {
        None => {
            copy_log(data, tree, &mut copying)?;
            None
        }
        Some(url) => Some(copy_database(url, data, tree, &mut copying).await?),
    };
    let journal_dir = tree.join("journal");
    private_dir(&journal_dir)?;
    copying("journal");
    let journal = hold.copy(&journal_dir).context("the journal cannot be copied")?;
    drop(hold);
    // A rotation keeps both keys until everything is sealed with the new one, so a key file that is the same before
    // and after opens what was copied in between.
    let read_key = || fs::read_to_string(data.join(SEALING_KEY_FILE));
    let key = with_sealing_key.then(read_key).transpose();
    let key = key.with_context(|| {
        format!(
            "{SEALING_KEY_FILE} cannot be read from {}; is the key in RUNGATE_SEALING_KEY?",
            data.display()
        )
    })?;
    if database.is_none() {
        copy_catalog(data, tree, &mut copying)?;
    }
    if let Some(key) = &key {
        ensure!(read_key()? == *key, "the sealing key was replaced meanwhile: take the backup anew");
        write_private(&tree.join(SEALING_KEY_FILE), key)?;
    }
    let (contents, database) = match database {
        None => (inspect(tree)?, None),
        Some((dump, contents)) => (contents, Some(dump)),
    };
    let mut paths = Vec::new();
    list(tree, tree, &mut paths)?;
    paths.sort();
    let files = paths.iter().map(|path| Listed::of(tree, path)).collect::<anyhow::Result<_>>()?;
    let manifest = Manifest {
        format: if database.is_some() { OF_DATABASE } else { OF_FOLDER },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: now,
        contents,
        database,
        journal: JournalContents { entries: journal.entries, last: journal.last },
        has_sealing_key: key.is_some(),
        sealing_keys: key_ids(data),
        files,
    };
    write_private(&tree.join(MANIFEST), &manifest.to_text()?)?;
    Ok(manifest)
}

/// Copies the database, and the id by which it knows this node's journal.
async fn copy_database(
    url: &DatabaseUrl,
    data: &Path,
    tree: &Path,
    tell: &mut dyn FnMut(&str),
) -> anyhow::Result<(Dump, Contents)> {
    private_dir(&tree.join(database::FOLDER))?;
    let node = node::known(data)?.context("the data folder has no id of a node")?;
    write_private(&tree.join(NODE_FILE), &format!("{node}\n"))?;
    let dumped = database::dump(url, node, tree, tell).await;
    dumped.with_context(|| format!("the database {url} cannot be copied"))
}

/// None where the key is kept elsewhere.
fn key_ids(data: &Path) -> Vec<String> {
    let keyring = keys::existing(data, None).ok().flatten();
    keyring.iter().flat_map(Keyring::ids).map(|id| id.to_string()).collect()
}

/// Every file below `dir`, by its path below `root`.
fn list(root: &Path, dir: &Path, paths: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, paths)?;
        } else if let Some(path) = path.strip_prefix(root)?.to_str() {
            paths.push(path.to_owned());
        }
    }
    Ok(())
}

/// Makes a folder for its owner alone.
pub fn private_dir(dir: &Path) -> anyhow::Result<()> {
    DirBuilder::new().mode(0o700).create(dir).with_context(|| dir.display().to_string())
}

/// The folder that a backup grows in, beside its destination; gone when it is dropped. What a killed backup left there is
/// removed by the next one.
struct Partial {
    dir: PathBuf,
    _lock: File,
}

impl Partial {
    fn make(destination: &Path) -> anyhow::Result<Self> {
        let mut dir = destination.as_os_str().to_owned();
        dir.push(".partial");
        let dir = PathBuf::from(dir);
        if !dir.exists() {
            private_dir(&dir)?;
        }
        let failed = || dir.display().to_string();
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(dir.join("lock"));
        let lock = lock.with_context(failed)?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            bail!("another backup is being written to {}", destination.display());
        }
        for left in ["tree", "archive"] {
            let left = dir.join(left);
            let removed = if left.is_dir() { fs::remove_dir_all(&left) } else { fs::remove_file(&left) };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(failed);
                }
                _ => {}
            }
        }
        Ok(Self { dir, _lock: lock })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!(folder = %self.dir.display(), %error, "what a backup left cannot be removed");
        }
    }
}
