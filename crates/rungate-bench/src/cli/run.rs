//! `rungate-bench run`

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use rungate_bench::bench::{Bench, Length};
use rungate_core::ports::Clock as _;
use rungate_server::clock::SystemClock;

/// Measure everything and write the results
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The `rungate` binary [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    rungate: Option<PathBuf>,
    /// `quick` takes about five minutes, `full` half an hour, `smoke` only shows that everything runs
    #[arg(long, value_enum, default_value = "quick", env = "BENCH")]
    length: Length,
    /// Where the results go, as Markdown
    #[arg(long, value_name = "FILE", default_value = "bench/RESULTS.md")]
    out: PathBuf,
    /// For everything that is made meanwhile, and for the results as JSON
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    folder: PathBuf,
    /// An empty PostgreSQL database whose read figures are taken too: made-up traffic is written into it
    #[arg(long, value_name = "URL", env = "RUNGATE_STORE_URL")]
    store_url: Option<String>,
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let Self { rungate, length, out, folder, store_url } = self;
        std::fs::create_dir_all(&folder)?;
        let progress = |text: &str| {
            // Nobody has to listen.
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        };
        let now = SystemClock::new().now().to_millisecond();
        let rungate = match rungate {
            Some(rungate) => rungate,
            None => std::env::current_exe()?.with_file_name("rungate"),
        };
        let rungate = rungate.canonicalize().with_context(|| rungate.display().to_string())?;
        let bench = Bench { rungate, length, folder: folder.clone(), store_url, now };
        let results = bench.run(&progress)?;
        std::fs::write(folder.join("results.json"), serde_json::to_string_pretty(&results)?)?;
        if let Some(parent) = out.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&out, results.to_markdown())?;
        super::print(&results.to_markdown())?;
        Ok(())
    }
}
