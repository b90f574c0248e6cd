//! The `rungate` binary.

use std::process::ExitCode;

/// Serves small, short-lived allocations of many threads better than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    rungate_server::cli::run()
}
