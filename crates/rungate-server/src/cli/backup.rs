//! `rungate backup` and `rungate restore`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use rungate_core::keyring::Keyring;
use rungate_core::ports::Clock as _;
use serde_json::json;

use crate::backup::restore::{GivenKeys, restore};
use crate::backup::take::{Order, take};
use crate::backup::{Manifest, verify};
use crate::cli::out;
use crate::clock::SystemClock;
use crate::config::{Config, Environment, Sources, Store};

const WITHOUT_KEY: &str = "The sealing key is NOT in it: without the key that this installation has now, the provider \
    keys in it cannot be opened and no virtual key or token in it works. Keep the key elsewhere.";
const WITH_KEY: &str =
    "The sealing key IS in it: whoever has this backup has every provider key. Guard it like them.";

/// Backs up a data folder, and the database that goes with it, while a server runs on them or not.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Backup {
    #[command(subcommand)]
    verify: Option<Verify>,
    /// Folder to make, or archive if the name ends with .tar.zst
    #[arg(value_name = "DESTINATION", required = true)]
    destination: Option<PathBuf>,
    /// Data folder [default: ./rungate-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Put the sealing key into the backup, which makes it as precious as the provider keys
    #[arg(long)]
    with_sealing_key: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Verify {
    /// Verify a backup: checksums, databases, bodies, journal
    Verify {
        /// The backup, a folder or an archive
        source: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Makes a data folder from a backup.
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// The backup, a folder or an archive
    source: PathBuf,
    /// Data folder to fill; absent or empty
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Configuration file; it, or RUNGATE_STORE_URL, names the database, empty, for a backup of one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File with the sealing key, for a backup without it; RUNGATE_SEALING_KEY does too
    #[arg(long, value_name = "FILE")]
    sealing_key_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Backup {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        if let Some(Verify::Verify { source, json }) = self.verify {
            let manifest = verify(&source, &mut progress(json))?;
            return report(&manifest, json, &format!("{} is whole: ", source.display()));
        }
        let Some(destination) = self.destination else { bail!("where to?") };
        let flag = self.data.map(|path| ("store", "data", path.to_string_lossy().into_owned()));
        let environment = Environment::of_process();
        let sources = Sources { file: self.config, environment, flags: flag.into_iter().collect() };
        let Store { data, url, .. } = Config::load(&sources)?.config.store;
        let order = Order {
            data: &data,
            database: url.as_ref(),
            destination: &destination,
            with_sealing_key: self.with_sealing_key,
            now: SystemClock::new().now(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let manifest = runtime.block_on(take(&order, &mut progress(self.json)))?;
        report(&manifest, self.json, &format!("Backed up to {} and verified: ", destination.display()))
    }
}

impl Restore {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            Keyring::parse(&text).with_context(|| path.display().to_string())
        };
        let given = GivenKeys {
            file: self.sealing_key_file.as_ref().map(read).transpose()?,
            environment: Environment::of_process().credentials()?.sealing_key,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut tell = progress(self.json);
        let flag = ("store", "data", self.data.to_string_lossy().into_owned());
        let environment = Environment::of_process();
        let sources = Sources { file: self.config, environment, flags: vec![flag] };
        let url = Config::load(&sources)?.config.store.url;
        let restored =
            runtime.block_on(restore(&self.source, &self.data, url.as_ref(), &given, &mut tell))?;
        if self.json {
            let report = json!({ "isOpenable": restored.is_openable, "manifest": restored.manifest });
            return Ok(out::print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?);
        }
        let next = if restored.is_openable {
            "The sealing key opens it."
        } else {
            "There is NO sealing key: put the one of the backed-up installation into the folder as sealing.key, or set \
             RUNGATE_SEALING_KEY; the server does not start before that."
        };
        let data = self.data.display();
        Ok(out::print(&format!(
            "Restored into {data}: {}.\n{next}\nStart it: rungate serve --data {data}\n",
            holds(&restored.manifest)
        ))?)
    }
}

/// Long work is told of on standard error, so that the result stands alone.
fn progress(json: bool) -> impl FnMut(&str) {
    move |line| {
        if !json {
            out::complain(line);
        }
    }
}

fn report(manifest: &Manifest, json: bool, done: &str) -> anyhow::Result<()> {
    if json {
        return Ok(out::print(&manifest.to_text()?)?);
    }
    let key = if manifest.has_sealing_key { WITH_KEY } else { WITHOUT_KEY };
    Ok(out::print(&format!("{done}{}.\n{key}\n", holds(manifest)))?)
}

fn holds(manifest: &Manifest) -> String {
    let Manifest { contents, journal, .. } = manifest;
    format!(
        "{} exchanges in {} days up to entry {} of the journal, {} entries of the journal up to {}, {} blocks of bodies, {} \
         documents, {} bytes",
        contents.exchanges,
        contents.days,
        contents.applied,
        journal.entries,
        journal.last,
        contents.body_blocks,
        contents.documents,
        manifest.bytes()
    )
}
