//! A backup as one file: a tar within zstd, the manifest first.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use super::manifest::{Listed, MANIFEST, Manifest, digest, is_plain};

/// How names of archives end.
pub const SUFFIX: &str = ".tar.zst";

const LEVEL: i32 = 3;

/// Packs the backup in the folder `from` into the file `to`.
pub fn pack(from: &Path, manifest: &Manifest, to: &Path) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be written", to.display());
    let file = private().open(to).with_context(failed)?;
    let mut encoder = zstd::Encoder::new(file, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut archive = tar::Builder::new(encoder);
    for path in std::iter::once(MANIFEST).chain(manifest.files.iter().map(|file| file.path.as_str())) {
        let mut file = File::open(from.join(path)).with_context(|| path.to_owned())?;
        let mut header = tar::Header::new_gnu();
        header.set_size(file.metadata()?.len());
        header.set_mode(0o600);
        header.set_cksum();
        archive.append_data(&mut header, path, &mut file).with_context(failed)?;
    }
    let mut file = archive.into_inner().and_then(zstd::Encoder::finish).with_context(failed)?;
    file.flush().and_then(|()| file.sync_all()).with_context(failed)
}

/// Unpacks the archive `from` into the folder `to`: only what its manifest names.
pub fn unpack(from: &Path, to: &Path) -> anyhow::Result<()> {
    walk(from, |path, reader| {
        let place = to.join(path);
        if let Some(folder) = place.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = private().open(&place)?;
        io::copy(reader, &mut file).with_context(|| format!("{} cannot be written", place.display()))?;
        file.sync_all()?;
        Ok(())
    })
}

/// Reads the whole archive `from` and compares it with its manifest, without unpacking it.
pub fn check(from: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let mut left: Vec<&Listed> = manifest.files.iter().collect();
    walk(from, |path, reader| {
        let found = digest(reader)?;
        if let Some(place) = left.iter().position(|file| file.path == path) {
            left.swap_remove(place).ensure_same(&found)?;
        }
        Ok(())
    })?;
    ensure!(left.is_empty(), "{} does not hold all files", from.display());
    Ok(())
}

fn walk(from: &Path, mut each: impl FnMut(&str, &mut dyn Read) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let broken = || format!("{} cannot be unpacked: it is damaged, truncated or no backup", from.display());
    let file = File::open(from).with_context(|| format!("{} cannot be read", from.display()))?;
    let mut archive = tar::Archive::new(zstd::Decoder::new(BufReader::new(file)).with_context(broken)?);
    let mut names: Option<Vec<String>> = None;
    for entry in archive.entries().with_context(broken)? {
        let mut entry = entry.with_context(broken)?;
        let path = entry.path().with_context(broken)?.into_owned();
        let is_ours = entry.header().entry_type().is_file() && is_plain(&path);
        let Some(path) = path.to_str().filter(|_| is_ours) else { bail!("{}: {}", broken(), path.display()) };
        if let Some(names) = &mut names {
            let place = names.iter().position(|name| name == path);
            let place =
                place.with_context(|| format!("{path} is not in the manifest of {}", from.display()))?;
            names.swap_remove(place);
            each(path, &mut entry).with_context(broken)?;
        } else {
            ensure!(path == MANIFEST, "{}: it does not begin with its manifest", broken());
            let mut text = Vec::new();
            entry.read_to_end(&mut text).with_context(broken)?;
            names = Some(Manifest::parse(&text)?.files.into_iter().map(|file| file.path).collect());
            each(path, &mut &text[..])?;
        }
    }
    let left = names.with_context(broken)?;
    ensure!(left.is_empty(), "{}: {} is missing", broken(), left.join(", "));
    // What follows the last entry, so that the checksum of the whole is looked at.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).with_context(broken)?;
    Ok(())
}

fn private() -> OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}
