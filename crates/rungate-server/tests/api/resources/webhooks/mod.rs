//! Webhooks: as resources, and what is sent to them.

mod managing;
mod receiver;
mod sending;

use std::sync::Arc;
use std::time::Duration;

use rungate_core::webhook::{Event, EventType};
use rungate_gateway::webhook::{Backoff, Courier, Pace};
use rungate_testkit::TestDatabase;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Client, id, text};
use crate::world::{OURS, World};

/// Nothing in these tests takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A world whose operator opens loopback.
async fn world(database: Option<&TestDatabase>) -> World {
    World::open(&["127.0.0.0/8"], database).await
}

fn event(source: &str) -> Event {
    Event {
        workspace: OURS,
        event_type: EventType::BudgetThreshold,
        source: source.to_owned(),
        at: crate::world::noon(),
        data: json!({"percent": 75}),
    }
}

impl Client {
    async fn deliveries(&self, webhook: &Value) -> Vec<Value> {
        let listed = self.get(&format!("/webhooks/{}/deliveries?limit=200", id(webhook))).await;
        listed.data()["data"].as_array().unwrap().clone()
    }

    /// The one delivery of a webhook once it is in a state.
    async fn once(&self, webhook: &Value, reached: impl Fn(&Value) -> bool) -> Value {
        until(async || {
            let deliveries = self.deliveries(webhook).await;
            assert!(deliveries.len() <= 1, "{deliveries:?}");
            deliveries.into_iter().next().filter(&reached)
        })
        .await
    }
}

/// What `look` finds, as soon as it does.
async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap()
}

/// A courier of the server's, with pauses that a test can let pass. Killed when dropped.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(world: &World) -> Self {
        let backoff = Backoff { tries: 4, ..Backoff::WITHIN_A_DAY };
        let services = &world.services;
        let courier = Courier {
            catalog: Arc::clone(&services.catalog),
            outbox: Arc::clone(&services.outbox),
            sender: Arc::clone(&services.sender),
            clock: Arc::clone(&services.clock),
            entropy: Arc::clone(&services.entropy),
            watch: Arc::new(()),
            pace: Pace { backoff, look_every: Duration::from_millis(5), ..Pace::USUAL },
        };
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(Arc::new(courier).run(stop.clone())), stop }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
