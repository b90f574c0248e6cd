//! Makes a data folder from a backup.
//!
//! Everything is brought into a folder within the data folder, verified and opened there, and only then moved to its place.
//! As long as that folder is there nothing is served from the data folder.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rungate_core::keyring::Keyring;
use rungate_core::secret::Secret;
use rungate_store::backup::database::{self, is_empty};
use rungate_store::{Database, DatabaseUrl, StoreConfig, Stores};

use super::manifest::{MANIFEST, Manifest, is_plain};
use super::{archive, take, verify};
use crate::boot::folder::{self, RESTORING, write_private};
use crate::boot::open_folder;
use crate::boot::{keys, node};
use crate::clock::{SystemClock, SystemEntropy};

/// The keys that go with a restored installation.
#[derive(Debug, Default)]
pub struct GivenKeys {
    /// To be written into the data folder.
    pub file: Option<Keyring>,
    /// From the environment, where it stays.
    pub environment: Option<Secret>,
}

/// What a restore brought.
#[derive(Debug)]
pub struct Restored {
    /// What the backup said.
    pub manifest: Manifest,
    /// Whether there is a key, and it opens what was restored.
    pub is_openable: bool,
}

/// Restores the backup in `source`, a folder or an archive, into `data`, which is absent or empty, and `database`, which is empty, where
/// the backup is of one.
pub async fn restore(
    source: &Path,
    data: &Path,
    database: Option<&DatabaseUrl>,
    given: &GivenKeys,
    tell: &mut dyn FnMut(&str),
) -> anyhow::Result<Restored> {
    ensure!(source.exists(), "there is nothing at {}", source.display());
    folder::make(data).with_context(|| format!("{} cannot be used", data.display()))?;
    let staging = data.join(RESTORING);
    let mut others =
        fs::read_dir(data)?.filter(|entry| !entry.as_ref().is_ok_and(|entry| entry.path() == staging));
    ensure!(
        others.next().is_none(),
        "{} is not empty: a backup is restored into an empty folder",
        data.display()
    );
    if staging.exists() {
        fs::remove_dir_all(&staging).context("what an earlier restore left cannot be removed")?;
    }
    take::private_dir(&staging)?;
    let restored = fill(source, &staging, database, given, tell).await;
    if restored.is_err() {
        let _ = fs::remove_dir_all(&staging);
        return restored;
    }
    for entry in fs::read_dir(&staging)? {
        let entry = entry?;
        fs::rename(entry.path(), data.join(entry.file_name())).context("a restored file cannot be moved")?;
    }
    File::open(data)?.sync_all()?;
    fs::remove_dir(&staging)?;
    File::open(data)?.sync_all()?;
    restored
}

async fn fill(
    source: &Path,
    staging: &Path,
    database: Option<&DatabaseUrl>,
    given: &GivenKeys,
    tell: &mut dyn FnMut(&str),
) -> anyhow::Result<Restored> {
    tell("unpacking");
    if source.is_dir() {
        copy_folder(source, staging)?;
    } else {
        archive::unpack(source, staging)?;
    }
    let manifest = verify::folder(staging, tell)?;
    fs::remove_file(staging.join(MANIFEST))?;
    if let Some(keyring) = &given.file {
        keys::write(staging, keyring)?;
    }
    let Some(dump) = &manifest.database else {
        ensure!(
            database.is_none(),
            "the backup is of a data folder that holds everything: restore it without RUNGATE_STORE_URL"
        );
        tell("opening");
        let is_openable = open(open_folder(staging).await?, staging, given).await?;
        return Ok(Restored { manifest, is_openable });
    };
    let Some(url) = database else {
        bail!("the backup is of a PostgreSQL database: set RUNGATE_STORE_URL to an empty one");
    };
    ensure!(
        is_empty(url).await.with_context(|| format!("{url} cannot be used"))?,
        "{url} is not empty: a backup is restored into an empty database"
    );
    let filled = database::fill(url, staging, dump, tell).await;
    filled.with_context(|| format!("{url} cannot be filled; nothing was changed"))?;
    tell("opening");
    let opened = of_database(url, staging, given).await;
    if opened.is_err() {
        database::clear(url).await.with_context(|| format!("{url} holds a restore that failed: empty it"))?;
    }
    fs::remove_dir_all(staging.join(database::FOLDER))?;
    Ok(Restored { is_openable: opened?, manifest })
}

async fn of_database(url: &DatabaseUrl, staging: &Path, given: &GivenKeys) -> anyhow::Result<bool> {
    let node = node::known(staging)?.context("the backup has no id of a node")?;
    let database = Database { url: url.clone(), node, patience: Duration::ZERO };
    let config = StoreConfig { dir: staging.to_owned(), database: Some(database) };
    open(rungate_store::open(&config).await?, staging, given).await
}

/// Opens what was restored, with its key where there is one. Whether there is.
async fn open(stores: Stores, staging: &Path, given: &GivenKeys) -> anyhow::Result<bool> {
    let is_openable = keys::existing(staging, given.environment.as_ref())?.is_some();
    let opened = if is_openable {
        let (clock, entropy) = (SystemClock::new(), SystemEntropy::open()?);
        let opened =
            keys::open(staging, given.environment.as_ref(), &*stores.catalog, &clock, &entropy).await;
        opened.map(drop)
    } else {
        Ok(())
    };
    stores.close().await;
    opened.context("the backup needs another sealing key")?;
    fs::remove_file(staging.join("lock"))?;
    Ok(is_openable)
}

/// Copies what the manifest of the folder `source` names.
fn copy_folder(source: &Path, to: &Path) -> anyhow::Result<()> {
    let path = source.join(MANIFEST);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{} is no backup: {MANIFEST}", source.display()))?;
    let manifest = Manifest::parse(text.as_bytes())?;
    write_private(&to.join(MANIFEST), &text)?;
    for file in &manifest.files {
        let place = to.join(&file.path);
        ensure!(is_plain(Path::new(&file.path)), "{} is no path of ours", file.path);
        place.parent().map_or(Ok(()), folder::make)?;
        let copied = folder::copy_private(&source.join(&file.path), &place);
        copied.with_context(|| format!("{} cannot be copied", file.path))?;
    }
    Ok(())
}
