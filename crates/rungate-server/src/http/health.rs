//! Whether the server is ready for requests.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use serde_json::{Value, json};

/// Where the server is between start and end. Shared by boot, edge and shutdown.
#[derive(Debug, Default)]
pub struct Health {
    stage: AtomicU8,
    /// What keeps the catalog.
    store: &'static str,
    catalog_away: AtomicBool,
}

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
    /// Of a server that starts on a store of this kind.
    pub fn of(store: &'static str) -> Self {
        Self { store, ..Self::default() }
    }

    /// The stage now.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Recovering,
            1 => Stage::Ready,
            _ => Stage::Stopping,
        }
    }

    /// Recovery is done. A server that was told to stop meanwhile stays so.
    pub fn ready(&self) {
        let _ = self.stage.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether the catalog could be read when it was last tried.
    pub fn catalog_reached(&self, reached: bool) {
        self.catalog_away.store(!reached, Ordering::Release);
    }

    /// The server was told to stop.
    pub fn stopping(&self) {
        self.stage.store(2, Ordering::Release);
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
/// into the journal until its bound; nor does a catalog that is away: requests are answered by what was read before.
pub fn readiness(health: &Health, components: Components) -> (bool, Value) {
    let stage = health.stage();
    let catalog_away = health.catalog_away.load(Ordering::Acquire);
    let ready = stage == Stage::Ready;
    let status = match (stage, components.log_stalled || catalog_away) {
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
            "catalog": {"status": if catalog_away { "unreachable" } else { "ok" }, "store": health.store},
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
        assert!(!readiness(&health, Components::default()).0);
        health.ready();
        assert!(readiness(&health, Components::default()).0);
        health.stopping();
        health.ready();
        assert_eq!(health.stage(), Stage::Stopping);
    }

    #[test]
    fn a_stalled_log_and_a_catalog_that_is_away_show_but_do_not_take_the_server_out() {
        let health = Health::of("postgresql");
        health.ready();
        let (ready, body) = readiness(&health, Components { log_stalled: true, ..Components::default() });
        assert!(ready);
        assert_eq!(body["status"], "degraded");
        assert_eq!(body["components"]["log"]["status"], "stalled");
        assert_eq!(body["components"]["catalog"], json!({"status": "ok", "store": "postgresql"}));
        health.catalog_reached(false);
        let (ready, body) = readiness(&health, Components::default());
        assert!(ready);
        assert_eq!(
            (&body["status"], &body["components"]["catalog"]["status"]),
            (&json!("degraded"), &json!("unreachable"))
        );
    }
}
