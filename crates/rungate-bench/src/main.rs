//! `rungate-bench`

mod cli;

/// The one that `rungate` has, so that the pipeline's instructions are its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    cli::run()
}
