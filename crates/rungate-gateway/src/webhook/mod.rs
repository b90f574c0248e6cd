//! Outgoing webhooks: an outbox that is durable, and a courier that empties it.
//!
//! Who has something to tell leaves an [`Event`](rungate_core::webhook::Event) in the [`Outbox`]; when that returns, the event is in the catalog for
//! every webhook that wants it. The [`Courier`] of each node claims what is due, sends it, and records what came of it.
//! A node that dies between sending and recording leaves a claim that runs out, and the event is sent once more: at
//! least once, with the same `webhook-id`, is what receivers are promised.
//!
//! Reading order: `outbox`, `sender` (one try), `backoff`, `courier`; `keep` bounds what stays.

mod backoff;
mod courier;
mod keep;
mod outbox;
mod sender;
mod watch;

pub use backoff::Backoff;
pub use courier::{Courier, Pace};
pub use keep::{remove_webhook, sweep};
pub use outbox::Outbox;
pub use sender::Sender;
pub use watch::{Tried, Watch};

use rungate_core::ports::{CatalogError, StoreError};

/// The most events of one webhook that may be pending. Of a receiver that is away for long, events beyond it are
/// dropped, which is counted and logged.
pub const MAX_PENDING: u64 = 1_000;

/// The most deliveries of one webhook that are kept, beside those that are pending.
pub const MAX_KEPT: u64 = 1_000;

/// The most webhooks of a workspace.
pub const MAX_WEBHOOKS: usize = 20;

/// A refusal that the writes at hand cannot meet, as a failure of the store.
fn of_store(error: CatalogError) -> StoreError {
    match error {
        CatalogError::Store(error) => error,
        other => StoreError::Unavailable(other.to_string()),
    }
}
