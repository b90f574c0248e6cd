//! When to stop.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Waits until the process is told to stop: SIGTERM, or SIGINT (Ctrl-C). They are heeded from the call on, not only once
/// it is awaited.
pub fn requested() -> impl Future<Output = io::Result<()>> {
    let terminate = signal(SignalKind::terminate());
    let interrupt = signal(SignalKind::interrupt());
    async move {
        let (mut terminate, mut interrupt) = (terminate?, interrupt?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    }
}
