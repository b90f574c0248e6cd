//! What a backup says of itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path};

use anyhow::{Context as _, ensure};
use rungate_core::secret::encode_hex;
use rungate_core::time::Timestamp;
use rungate_store::backup::Contents;
use rungate_store::backup::database::Dump;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Its file, the first one in an archive.
pub const MANIFEST: &str = "manifest.json";

/// The format of a data folder that holds everything.
pub const OF_FOLDER: u32 = 1;
/// The format of a data folder and a database, and the newest that is read.
pub const OF_DATABASE: u32 = 2;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Of the backup.
    pub format: u32,
    /// The version of Rungate that wrote it.
    pub version: String,
    /// When it began.
    pub created_at: Timestamp,
    /// What the databases hold.
    pub contents: Contents,
    /// The database, of an installation that keeps everything but journal and keys there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub database: Option<Dump>,
    /// What the journal holds.
    pub journal: JournalContents,
    /// Whether the sealing key is in it.
    pub has_sealing_key: bool,
    /// The ids of the keys that were in the data folder, the current one first.
    pub sealing_keys: Vec<String>,
    /// Every other file.
    pub files: Vec<Listed>,
}

/// What the journal of a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalContents {
    /// Entries.
    pub entries: u64,
    /// The sequence of the last one.
    pub last: u64,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Below the data folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum.
    pub sha256: String,
}

impl Manifest {
    /// Reads it.
    pub fn parse(text: &[u8]) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let damaged = || format!("{MANIFEST} is damaged");
        let Format { format } = serde_json::from_slice(text).with_context(damaged)?;
        ensure!(
            format <= OF_DATABASE,
            "the backup has format {format}, which is newer than this version of Rungate knows ({OF_DATABASE}); use the \
             version that wrote it, or a newer one"
        );
        let manifest: Self = serde_json::from_slice(text).with_context(damaged)?;
        for file in &manifest.files {
            ensure!(
                is_plain(Path::new(&file.path)),
                "{MANIFEST} names {:?}, which is no path of ours",
                file.path
            );
        }
        Ok(manifest)
    }

    /// Its text.
    pub fn to_text(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl Listed {
    /// Reads the file `path` below `dir`.
    pub fn of(dir: &Path, path: &str) -> anyhow::Result<Self> {
        let file = File::open(dir.join(path)).with_context(|| path.to_owned())?;
        let (bytes, sha256) = digest(file).with_context(|| path.to_owned())?;
        Ok(Self { path: path.to_owned(), bytes, sha256 })
    }

    /// Whether `found` is what was written.
    pub fn ensure_same(&self, (bytes, sha256): &(u64, String)) -> anyhow::Result<()> {
        ensure!(
            self.bytes == *bytes,
            "{} is damaged: it has {bytes} bytes in place of {}",
            self.path,
            self.bytes
        );
        ensure!(self.sha256 == *sha256, "{} is damaged: its checksum is wrong", self.path);
        Ok(())
    }
}

/// Length and checksum of everything in `reader`.
pub fn digest(mut reader: impl Read) -> io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((bytes, encode_hex(&hasher.finalize()))),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a path stays below where it begins.
pub fn is_plain(path: &Path) -> bool {
    path.components().next().is_some() && path.components().all(|part| matches!(part, Component::Normal(_)))
}
