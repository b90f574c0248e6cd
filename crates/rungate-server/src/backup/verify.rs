//! Whether a backup is whole: every file as it was written, every database sound, every body readable, and the journal
//! without damage.

use std::path::Path;

use anyhow::{Context as _, ensure};
use rungate_gateway::journal::hold;

use super::archive;
use super::manifest::{Listed, MANIFEST, Manifest};

/// Verifies the backup in `source`, a folder or an archive. An archive is unpacked into the folder for temporary files.
pub fn verify(source: &Path, tell: &mut dyn FnMut(&str)) -> anyhow::Result<Manifest> {
    if source.is_dir() {
        return folder(source, tell);
    }
    let scratch = tempfile::tempdir().context("no folder for temporary files")?;
    tell("unpacking");
    archive::unpack(source, scratch.path())?;
    folder(scratch.path(), tell)
}

/// Verifies the unpacked backup in `dir`.
pub fn folder(dir: &Path, tell: &mut dyn FnMut(&str)) -> anyhow::Result<Manifest> {
    let path = dir.join(MANIFEST);
    let text = std::fs::read(&path).with_context(|| format!("{} is no backup: {MANIFEST}", dir.display()))?;
    let manifest = Manifest::parse(&text)?;
    for file in &manifest.files {
        tell(&format!("verifying {}", file.path));
        let Listed { bytes, sha256, .. } = Listed::of(dir, &file.path)?;
        file.ensure_same(&(bytes, sha256))?;
    }
    tell("verifying databases and bodies");
    if let Some(dump) = &manifest.database {
        rungate_store::backup::database::inspect(dir, dump)?;
        return journal(dir, manifest);
    }
    let contents = rungate_store::backup::inspect(dir)?;
    ensure!(
        contents == manifest.contents,
        "the databases hold {contents:?}, but {MANIFEST} says {:?}",
        manifest.contents
    );
    journal(dir, manifest)
}

fn journal(dir: &Path, manifest: Manifest) -> anyhow::Result<Manifest> {
    let place = dir.join("journal");
    // A folder without files is in no list of files.
    let journal = if place.exists() {
        hold::Contents::of(&place).context("the journal")?
    } else {
        hold::Contents::default()
    };
    ensure!(
        journal.damaged_bytes == 0
            && (journal.entries, journal.last) == (manifest.journal.entries, manifest.journal.last),
        "the journal is damaged"
    );
    Ok(manifest)
}
