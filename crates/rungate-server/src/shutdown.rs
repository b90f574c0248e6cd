//! When to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Waits until the process is told to stop: SIGTERM, or SIGINT (Ctrl-C).
pub async fn requested() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
