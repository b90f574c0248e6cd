//! Reading one's own writes: an answer that a client has is in the journal, and the log takes it over soon after.

use std::time::Duration;

use crate::services::Services;

use rungate_core::time::Timestamp;

const PATIENCE: Duration = Duration::from_secs(1);

/// As [`caught_up`], unless nothing that is on its way to the log can be about `id`.
pub async fn caught_up_about(services: &Services, id: &str) {
    if services.journal.may_say(id) {
        caught_up(services).await;
    }
}

/// As [`caught_up`], unless nothing that is on its way to the log began within these times.
pub async fn caught_up_within(services: &Services, from: Option<Timestamp>, to: Option<Timestamp>) {
    if services.journal.may_be_within(from, to) {
        caught_up(services).await;
    }
}

/// Waits until the log has taken over what was in the journal when this was called. A log that is behind is read as it
/// is: older rows are worth more than none.
pub async fn caught_up(services: &Services) {
    let last = services.journal.last();
    if !services.journal.wait_applied(last, PATIENCE).await {
        tracing::warn!(sequence = last.0, "the log is read although it is behind the journal");
    }
}
