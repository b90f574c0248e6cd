//! `rungate prices update`

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use http::Method;
use rungate_core::ports::Clock as _;
use rungate_llm::catalog::import;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{activate, print_json};
use crate::cli::client::{self, Client, Target, download};
use crate::cli::out;
use crate::cli::render::look::{Look, LookArgs};
use crate::cli::render::prices;
use crate::clock::SystemClock;

/// The largest file; the lists that are known have two megabytes.
const MAX_BYTES: usize = 32 * 1024 * 1024;

const PATH: &str = "/api/v1/price-snapshots";

/// From where, and how far.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// A file, or an https address: a catalogue of Rungate, LiteLLM's model_prices_and_context_window.json, or the
    /// api.json of models.dev
    source: String,
    /// Check it and show what differs, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Price requests by it at once
    #[arg(long, conflicts_with = "dry_run")]
    activate: bool,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    target: Target,
}

impl Update {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let text = read(&self.source).await?;
        let day = SystemClock::new().now().day();
        let imported = import::read(&text, day).with_context(|| self.source.clone())?;
        let look = Look::of_stdout(&self.look.colours);
        if !self.look.json {
            out::print(&prices::imported(&imported))?;
        }
        let catalogue = RawValue::from_string(imported.catalogue.to_text())?;
        let body = json!({ "source": self.source, "catalogue": catalogue });
        let looked_at = client.send(Method::POST, &format!("{PATH}?dryRun=true"), &body).await?;
        if !self.look.json {
            out::print(&prices::stored(&client::read(&looked_at)?, look))?;
        }
        if self.dry_run {
            return if self.look.json { print_json(&looked_at) } else { Ok(()) };
        }
        let question = if self.activate { "Store it and price requests by it?" } else { "Store it?" };
        if !self.yes && !out::confirm(question, "pass --yes to store it, or --dry-run to only look")? {
            bail!("nothing was stored");
        }
        let mut stored = client.send(Method::POST, PATH, &body).await?;
        let id = stored["snapshot"]["id"].as_str().unwrap_or_default().to_owned();
        if self.activate {
            activate::activate(&client, &id).await?;
            stored["snapshot"]["isActive"] = Value::Bool(true);
        }
        if self.look.json {
            return print_json(&stored);
        }
        let next = if self.activate {
            "Requests are priced by it from now on.".to_owned()
        } else {
            format!("Requests are priced by it after `rungate prices activate {id}`.")
        };
        Ok(out::print(&format!("Stored as {id}. {next}\n"))?)
    }
}

/// The text of a file or at an address.
async fn read(source: &str) -> anyhow::Result<String> {
    let bytes: Vec<u8> = if source.contains("://") {
        download(source, MAX_BYTES).await?.into()
    } else {
        file(Path::new(source)).await.with_context(|| format!("{source} cannot be read"))?
    };
    String::from_utf8(bytes).with_context(|| format!("{source} is not text"))
}

async fn file(path: &Path) -> anyhow::Result<Vec<u8>> {
    use tokio::io::AsyncReadExt as _;
    let file = tokio::fs::File::open(path).await?;
    let mut bytes = Vec::new();
    // One more than allowed, to see that there is more.
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).await?;
    ensure!(bytes.len() <= MAX_BYTES, "it is larger than {MAX_BYTES} bytes");
    Ok(bytes)
}
