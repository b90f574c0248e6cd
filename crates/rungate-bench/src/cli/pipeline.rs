//! `rungate-bench pipeline`

use std::path::PathBuf;

use rungate_bench::pipeline::{Drive, drive};
use rungate_bench::prompt::PromptSize;

/// Drive requests through the pipeline in this process, for callgrind
#[derive(Debug, clap::Args)]
pub struct Command {
    /// A fresh data folder
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// How many
    #[arg(long, default_value_t = 1_000)]
    requests: u64,
    /// 280 bytes or 32 KB
    #[arg(long, value_enum, default_value = "small")]
    size: PromptSize,
    /// Straight to the upstream, past the pipeline
    #[arg(long)]
    bare: bool,
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let Self { data, requests, size, bare } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(Box::pin(drive(&Drive { data, requests, size, bare })))
    }
}
