//! `rungate-bench report`

use std::path::PathBuf;

use anyhow::Context as _;
use rungate_bench::report::Results;

/// Write the results of an earlier run again, as Markdown
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The results, as JSON
    #[arg(long, value_name = "FILE", default_value = "target/bench/results.json")]
    results: PathBuf,
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let text =
            std::fs::read_to_string(&self.results).with_context(|| self.results.display().to_string())?;
        let results: Results = serde_json::from_str(&text)?;
        super::print(results.to_markdown().trim_end())?;
        Ok(())
    }
}
