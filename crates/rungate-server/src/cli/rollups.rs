//! `rungate rollups`

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use rungate_core::exchange::{RebuildMode, Rebuilt};
use rungate_core::time::Day;
use serde_json::json;

use crate::boot;
use crate::cli::out;
use crate::cli::render::text;
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::{Config, Environment, Sources};

/// The commands about roll-ups.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make the sums by hour and day anew from the rows that are kept; stop the server first
    Rebuild(Rebuild),
}

/// Which days.
#[derive(Debug, clap::Args)]
pub struct Rebuild {
    /// From this day on, such as 2026-11-01
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    from: Option<Day>,
    /// Up to this day
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    to: Option<Day>,
    /// Change nothing; fail when a sum differs from the rows
    #[arg(long)]
    check: bool,
    /// Print a line of JSON per day instead of text
    #[arg(long)]
    json: bool,
    /// Data folder [default: ./rungate-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Reads `2026-11-01`.
pub fn parse_day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| format!("`{text}` is no day such as 2026-11-01"))
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let Self::Rebuild(rebuild) = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(rebuild.run())
    }
}

impl Rebuild {
    async fn run(self) -> anyhow::Result<()> {
        let data = self.data.as_ref().map(|path| ("store", "data", path.to_string_lossy().into_owned()));
        let environment = Environment::of_process();
        let sources = Sources { file: self.config.clone(), environment, flags: data.into_iter().collect() };
        let store = Config::load(&sources)?.config.store;
        ensure!(store.data.is_dir(), "there is no data folder at {}", store.data.display());
        let (clock, entropy) = (SystemClock::new(), SystemEntropy::open()?);
        let stores = boot::open_stores(&store, &clock, &entropy).await.context("stop the server first")?;
        let done = self.days(&*stores.log).await;
        stores.close().await;
        let (days, differed) = done?;
        if self.check && differed > 0 {
            bail!("{differed} sums differ from the rows; `rungate rollups rebuild` makes them anew");
        }
        if !self.json {
            let verb = if self.check { "checked" } else { "made anew" };
            out::complain(&format!("{} {verb}.", text::count(days, "day")));
        }
        Ok(())
    }

    /// Each day as one change, oldest first, so that it can be stopped at any time.
    async fn days(&self, log: &dyn rungate_core::ports::Log) -> anyhow::Result<(u64, u64)> {
        let mode = if self.check { RebuildMode::Check } else { RebuildMode::Mend };
        let (mut days, mut differed) = (0, 0);
        for day in log.row_days().await? {
            if self.from.is_some_and(|from| day < from) || self.to.is_some_and(|to| day > to) {
                continue;
            }
            let rebuilt = log.rebuild_rollups(day, mode).await.with_context(|| format!("day {day}"))?;
            out::print(&self.line(day, rebuilt)?)?;
            days += 1;
            differed += rebuilt.differed;
        }
        Ok((days, differed))
    }

    fn line(&self, day: Day, rebuilt: Rebuilt) -> anyhow::Result<String> {
        if self.json {
            let mut line = json!({ "day": day.to_string() });
            if let (Some(line), serde_json::Value::Object(counts)) =
                (line.as_object_mut(), serde_json::to_value(rebuilt)?)
            {
                line.extend(counts);
            }
            return Ok(format!("{line}\n"));
        }
        let Rebuilt { exchanges, cells, differed } = rebuilt;
        let (exchanges, cells) = (text::count(exchanges, "request"), text::count(cells, "sum"));
        Ok(format!("{day}  {exchanges}, {cells}, {differed} differed\n"))
    }
}
