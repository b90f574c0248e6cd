//! Makes the catalogue of rungate-llm from openly licensed lists of prices.

mod genai;
mod history;
mod merge;
mod python;
mod report;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rungate_core::time::Day;
use rungate_llm::catalog::import::listing::{Given, Listing};
use rungate_llm::catalog::import::litellm;
use rungate_llm::catalog::import::providers::Source;
use rungate_llm::catalog::{Catalogue, Difference};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use merge::Sources;
use report::Report;

/// Arguments of `prices import`.
#[derive(clap::Args)]
pub struct Import {
    /// The folder with the files that catalogue/sources.toml names
    folder: PathBuf,
    /// The day of the import, YYYY-MM-DD
    #[arg(long)]
    date: String,
}

/// `catalogue/sources.toml`
#[derive(Deserialize)]
struct Pins {
    source: Vec<Pin>,
}

/// A pinned file.
#[derive(Deserialize)]
struct Pin {
    name: String,
    version: String,
    file: String,
    sha256: String,
    licence: String,
    copyright: String,
    taken: String,
}

/// `catalogue/differences.json`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Differences<'a> {
    snapshot_id: &'a str,
    differences: &'a [Difference],
}

impl Import {
    /// Writes the catalogue; returns a report for people.
    pub fn run(&self, root: &Path) -> Result<String> {
        let target = root.join("crates/rungate-llm/catalogue");
        let pins: Pins = toml::from_str(&fs::read_to_string(target.join("sources.toml"))?)?;
        let day = Day::parse(&self.date).context("the date is no YYYY-MM-DD")?;
        let sources = self.read(&pins)?;
        let (models, differences) = merge::merge(&sources, day.start());
        ensure!(!models.is_empty(), "no model of our providers");

        let text = format!("{{\"snapshotId\": \"{}\", \"models\": [\n{}\n]}}\n", self.date, lines(&models)?);
        let catalogue = Catalogue::parse(&text)?.sealed();
        let snapshot_id = catalogue.snapshot_id();
        fs::write(target.join("models.json"), catalogue.to_text())?;
        let listed = Differences { snapshot_id, differences: &differences };
        fs::write(target.join("differences.json"), format!("{}\n", serde_json::to_string_pretty(&listed)?))?;
        let report = Report {
            snapshot_id,
            date: &self.date,
            pins: &pins.source,
            sources: &sources,
            models: &models,
            differences: &differences,
        };
        fs::write(target.join("NOTICE.md"), report.notice()?)?;
        report.summary()
    }

    fn read(&self, pins: &Pins) -> Result<Sources> {
        let mut sources = BTreeMap::new();
        for pin in &pins.source {
            let path = self.folder.join(&pin.file);
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let sum =
                Sha256::digest(&text).iter().fold(String::new(), |sum, byte| format!("{sum}{byte:02x}"));
            ensure!(sum == pin.sha256, "{}: the checksum is {sum}, not that of sources.toml", path.display());
            let Some(source) = Source::ALL.into_iter().find(|source| source.name() == pin.name) else {
                bail!("{} is no source", pin.name)
            };
            sources.insert(source, given(source, &text)?);
        }
        Ok(sources)
    }
}

fn given(source: Source, text: &str) -> Result<Given> {
    match source {
        Source::LiteLlm => litellm::read(text).context("not LiteLLM's price list"),
        Source::ModelPrices => history::read(text),
        Source::GenaiPrices => genai::read(text),
    }
}

/// One model per line, so that a change of one price is a change of one line.
fn lines(models: &[Listing]) -> Result<String> {
    let lines = models.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(lines.join(",\n"))
}
