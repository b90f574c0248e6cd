//! What an import took and left, for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;
use rungate_llm::catalog::Difference;
use rungate_llm::catalog::import::listing::Listing;

use super::Pin;
use super::merge::Sources;

/// An import.
pub struct Report<'a> {
    pub snapshot_id: &'a str,
    pub date: &'a str,
    pub pins: &'a [Pin],
    pub sources: &'a Sources,
    pub models: &'a [Listing],
    pub differences: &'a [Difference],
}

impl Report<'_> {
    /// `NOTICE.md`
    pub fn notice(&self) -> Result<String> {
        let mut text = include_str!("notice.md")
            .replace("{snapshot}", self.snapshot_id)
            .replace("{date}", self.date)
            .replace("{sources}", &self.pinned()?);
        text.push_str(&self.summary()?);
        Ok(text)
    }

    fn pinned(&self) -> Result<String> {
        let mut text = String::new();
        for Pin { name, version, file, sha256, licence, copyright, taken } in self.pins {
            writeln!(
                text,
                "| {name} | {version} | `{file}`<br>sha256 `{sha256}` | {licence}, {copyright} | {taken} |"
            )?;
        }
        Ok(text)
    }

    /// The counts, as they are printed and stand in the notice.
    pub fn summary(&self) -> Result<String> {
        let mut text = String::new();
        self.models(&mut text)?;
        self.left_out(&mut text)?;
        Ok(text)
    }

    fn models(&self, text: &mut String) -> Result<()> {
        let mut providers: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
        let mut by_source: BTreeMap<&str, usize> = BTreeMap::new();
        for model in self.models {
            let (listed, priced, dated) = providers.entry(model.provider).or_default();
            *listed += 1;
            *priced += usize::from(!model.prices.is_empty());
            *dated += usize::from(model.prices.iter().count() > 1);
            if let Some(source) = model.source {
                *by_source.entry(source).or_default() += 1;
            }
        }
        let (priced, dated) =
            providers.values().fold((0, 0), |(a, b), (_, priced, dated)| (a + priced, b + dated));
        writeln!(text, "{}\n", self.snapshot_id)?;
        writeln!(
            text,
            "{} models of {} providers, {priced} of them with a price, {dated} with earlier or later prices too.\n",
            self.models.len(),
            providers.len()
        )?;
        writeln!(text, "| source | rows read | prices taken |\n|---|---|---|")?;
        for (source, given) in self.sources {
            let taken = by_source.get(source.name()).copied().unwrap_or(0);
            writeln!(text, "| {} | {} | {taken} |", source.name(), given.rows)?;
        }
        let mut models: Vec<&str> =
            self.differences.iter().map(|difference| difference.model.as_str()).collect();
        models.dedup();
        writeln!(
            text,
            "\nThe sources differ in {} prices of {} models: see `differences.json`.\n",
            self.differences.len(),
            models.len()
        )?;
        writeln!(text, "| provider | models | with a price | with several |\n|---|---|---|---|")?;
        for (provider, (listed, priced, dated)) in &providers {
            writeln!(text, "| {provider} | {listed} | {priced} | {dated} |")?;
        }
        Ok(())
    }

    fn left_out(&self, text: &mut String) -> Result<()> {
        for (source, given) in self.sources {
            writeln!(text, "\n| rows of {} left out | |\n|---|---|", source.name())?;
            for (why, count) in &given.skipped {
                writeln!(text, "| {why} | {count} |")?;
            }
            for (why, models) in &given.unpriced {
                writeln!(text, "| without its price: {why} | {} |", models.len())?;
            }
        }
        Ok(())
    }
}
