//! Whether the server is ready for requests.

use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::{Value, json};

/// Where the server is between start and end. Shared by boot, edge and shutdown.
#[derive(Debug, Default)]
pub struct Health(AtomicU8);

/// A stage of a server's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// What an earlier process left in the journal is being brought into the log.
    Recovering,
    /// Serving.
    Ready,
    /// Told to stop; what is in flight is being ended.
    Stopping,
}

impl Health {
    /// The stage now.
    pub fn stage(&self) -> Stage {
        match self.0.load(Ordering::Acquire) {
            0 => Stage::Recovering,
            1 => Stage::Ready,
            _ => Stage::Stopping,
        }
    }

    /// Recovery is done. A server that was told to stop meanwhile stays so.
    pub fn ready(&self) {
        let _ = self.0.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The server was told to stop.
    pub fn stopping(&self) {
        self.0.store(2, Ordering::Release);
    }
}

/// What stands in `/readyz` beside the stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Components {
    /// Whether the log takes over what is in the journal.
    pub log_stalled: bool,
    /// What the log has not taken over yet.
    pub journal_undrained_bytes: u64,
}

/// The body of `/readyz`, and whether the server is ready. A stalled log alone does not make it unready: exchanges go
/// into the journal until its bound.
pub fn readiness(stage: Stage, components: Components) -> (bool, Value) {
    let ready = stage == Stage::Ready;
    let status = match (stage, components.log_stalled) {
        (Stage::Recovering, _) => "starting",
        (Stage::Stopping, _) => "stopping",
        (Stage::Ready, true) => "degraded",
        (Stage::Ready, false) => "ok",
    };
    let journal = if stage == Stage::Recovering { "replaying" } else { "ok" };
    let log = if components.log_stalled { "stalled" } else { "ok" };
    let body = json!({
        "status": status,
        "components": {
            "journal": {"status": journal, "undrainedBytes": components.journal_undrained_bytes},
            "log": {"status": log},
        },
    });
    (ready, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_108_ready_comes_after_recovery_and_ends_with_stopping() {
        let health = Health::default();
        assert_eq!(health.stage(), Stage::Recovering);
        assert!(!readiness(health.stage(), Components::default()).0);
        health.ready();
        assert!(readiness(health.stage(), Components::default()).0);
        health.stopping();
        health.ready();
        assert_eq!(health.stage(), Stage::Stopping);
    }

    #[test]
    fn a_stalled_log_shows_but_does_not_take_the_server_out() {
        let (ready, body) =
            readiness(Stage::Ready, Components { log_stalled: true, ..Components::default() });
        assert!(ready);
        assert_eq!(body["status"], "degraded");
        assert_eq!(body["components"]["log"]["status"], "stalled");
    }
}
