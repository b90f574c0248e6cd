//! `rungate sealing-key`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use rungate_core::secret::Secret;
use rungate_store::Stores;
use serde_json::json;

use crate::boot;
use crate::boot::keys::{self, SEALING_KEY_FILE};
use crate::boot::sealed::{self, Finding, Reset, Rotated, Rotation};
use crate::cli::out;
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::{Config, Environment, Sources};

const PROCEDURE: &str = "the sealing key comes from RUNGATE_SEALING_KEY, so the new one is yours to make and to keep:\n\
    \n\
    1. make it: openssl rand -hex 32\n\
    2. put it in front of the old one, with a space or a line's end between: both are accepted, the first one seals\n\
    3. stop the server and run `rungate sealing-key rotate` with both: it seals everything with the first\n\
    4. take the old one away and start the server\n\
    \n\
    Keep the old key for as long as you keep backups from before.";

/// The commands about the key that seals provider keys.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Replace the sealing key and seal everything anew; stop the server first
    Rotate(Place),
    /// Look whether every sealed value can be opened; stop the server first
    Check(Place),
    /// Begin anew after the key was lost: drops what cannot be opened; stop the server first
    Reset {
        #[command(flatten)]
        place: Place,
        /// Yes, provider keys that cannot be opened are to be forgotten, and tokens to stop working
        #[arg(long)]
        forget_what_cannot_be_opened: bool,
    },
}

/// Which installation, and how to tell of it.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Data folder [default: ./rungate-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An installation that was opened.
struct Opened {
    data: PathBuf,
    given: Option<Secret>,
    stores: Stores,
    clock: SystemClock,
    entropy: SystemEntropy,
    json: bool,
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            match self {
                Self::Rotate(place) => done(place.open().await?, async |opened| opened.rotate().await).await,
                Self::Check(place) => done(place.open().await?, async |opened| opened.check().await).await,
                Self::Reset { place, forget_what_cannot_be_opened } => {
                    ensure!(
                        forget_what_cannot_be_opened,
                        "this forgets every provider key that cannot be opened, and may end all tokens; look with \
                         `rungate sealing-key check`, search your backups for {SEALING_KEY_FILE}, and then say \
                         --forget-what-cannot-be-opened"
                    );
                    done(place.open().await?, async |opened| opened.reset().await).await
                }
            }
        })
    }
}

/// Closes the stores whatever came of it.
async fn done(opened: Opened, work: impl AsyncFnOnce(&Opened) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let result = work(&opened).await;
    opened.stores.close().await;
    result
}

impl Place {
    async fn open(self) -> anyhow::Result<Opened> {
        let environment = Environment::of_process();
        let given = environment.credentials()?.sealing_key;
        let flag = self.data.map(|path| ("store", "data", path.to_string_lossy().into_owned()));
        let sources = Sources { file: self.config, environment, flags: flag.into_iter().collect() };
        let store = Config::load(&sources)?.config.store;
        ensure!(store.data.is_dir(), "there is no data folder at {}", store.data.display());
        let (clock, entropy) = (SystemClock::new(), SystemEntropy::open()?);
        let stores = boot::open_stores(&store, &clock, &entropy).await.context("stop the server first")?;
        let data = store.data;
        Ok(Opened { data, given, stores, clock, entropy, json: self.json })
    }
}

impl Opened {
    fn rotation(&self) -> Rotation<'_> {
        Rotation { catalog: &*self.stores.catalog, clock: &self.clock, entropy: &self.entropy }
    }

    async fn rotate(&self) -> anyhow::Result<()> {
        let rotated = match keys::existing(&self.data, self.given.as_ref())? {
            None => bail!("there is no sealing key in {}", self.data.display()),
            Some(keyring) if self.given.is_some() => {
                ensure!(!keyring.previous().is_empty(), "{PROCEDURE}");
                self.rotation().rotate_given(&keyring).await?
            }
            Some(_) => self.rotation().rotate_file(&self.data).await?,
        };
        let text = if self.json { to_json(&rotated)? } else { self.rotated_text(&rotated) };
        Ok(out::print(&text)?)
    }

    fn rotated_text(&self, rotated: &Rotated) -> String {
        let Rotated { current, retired, values, finished_earlier } = rotated;
        let begun = if *finished_earlier { "A rotation that was begun earlier is finished.\n" } else { "" };
        let retired = retired.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let next = if self.given.is_some() {
            "Take the former key out of RUNGATE_SEALING_KEY".to_owned()
        } else {
            format!("Copy {} to where you keep such things", self.data.join(SEALING_KEY_FILE).display())
        };
        format!(
            "{begun}All {values} sealed values are sealed with the key {current} and were read back. Retired: {retired}.\n\
             {next}, and keep the former key for as long as you keep backups from before.\n"
        )
    }

    async fn check(&self) -> anyhow::Result<()> {
        let Some(keyring) = keys::existing(&self.data, self.given.as_ref())? else {
            bail!("there is no sealing key in {}, and RUNGATE_SEALING_KEY is not set", self.data.display());
        };
        let findings = sealed::check(&*self.stores.catalog, &keyring).await?;
        let closed = findings.iter().filter(|finding| !finding.opens).count();
        if self.json {
            let report = json!({ "ok": closed == 0, "keys": keyring.ids(), "values": findings });
            out::print(&to_json(&report)?)?;
        } else {
            let ids = keyring.ids().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let rows: String = findings.iter().map(row).collect();
            out::print(&format!("keys: {ids} (the first one seals)\n{rows}"))?;
        }
        ensure!(closed == 0, "{closed} of {} sealed values cannot be opened", findings.len());
        Ok(())
    }

    async fn reset(&self) -> anyhow::Result<()> {
        if self.given.is_none() {
            put_damaged_aside(&self.data)?;
        }
        let Reset { current, provider_keys, webhooks, owner_token } =
            self.rotation().reset(&self.data, self.given.as_ref()).await?;
        if self.json {
            let report = json!({
                "current": current,
                "providerKeysWithoutSecret": provider_keys,
                "webhooksWithoutSecret": webhooks,
                "ownerToken": owner_token.as_ref().map(Secret::expose),
            });
            return Ok(out::print(&to_json(&report)?)?);
        }
        let tokens = owner_token.as_ref().map_or_else(String::new, |token| {
            format!(
                "\nThe owner token is now:\n\n    {}\n\nVirtual keys no longer work: POST /api/v1/virtual-keys/{{id}}/rotate \
                 gives each a new token.\nPersonal access tokens were revoked: make new ones.\n",
                token.expose()
            )
        });
        let keys = listed(
            "These provider keys need their secret again, by POST /api/v1/provider-keys/{id}/rotate",
            &provider_keys,
        );
        let webhooks = listed(
            "These webhooks were disabled and need another secret, by POST /api/v1/webhooks/{id}/rotate",
            &webhooks,
        );
        Ok(out::print(&format!(
            "Everything is sealed with the key {current} now.\n{tokens}{keys}{webhooks}"
        ))?)
    }
}

/// A file that holds no key is kept beside the one to come: somebody may still read something from it.
fn put_damaged_aside(data: &Path) -> anyhow::Result<()> {
    let path = data.join(SEALING_KEY_FILE);
    if !path.exists() || keys::existing(data, None).is_ok() {
        return Ok(());
    }
    let aside = path.with_extension("key.damaged");
    ensure!(!aside.exists(), "{} is damaged and {} is there already", path.display(), aside.display());
    std::fs::rename(&path, &aside).with_context(|| path.display().to_string())?;
    out::complain(&format!("{} is no sealing key and was renamed to {}", path.display(), aside.display()));
    Ok(())
}

fn listed(heading: &str, findings: &[Finding]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let rows: String = findings.iter().map(row).collect();
    format!("\n{heading}:\n{rows}")
}

fn row(finding: &Finding) -> String {
    let state = if finding.opens { "opens" } else { "CLOSED" };
    let key = finding.sealed_with.map_or_else(|| "unknown ".to_owned(), |id| id.to_string());
    format!("{state:<7} {key}  {:<50}  {}\n", finding.value, crate::cli::render::text::clean(&finding.name))
}

fn to_json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
