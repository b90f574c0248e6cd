//! Counts anew, after a restart, what rate limits admitted before it, as far as the log knows: a restart gives nobody a second
//! ration.

use std::collections::HashMap;
use std::time::Duration;

use rungate_core::exchange::{ExchangeFilter, ExchangeRecord, Outcome};
use rungate_core::id::VirtualKeyId;
use rungate_core::page::{Order, PageRequest};
use rungate_core::policy::PolicySet;
use rungate_core::ports::{Log, StoreError};
use rungate_core::time::Timestamp;

use crate::directory::{Directory, WorkspaceEntry};
use crate::limit::{Counter, Limiter, Unit};
use crate::stage::govern::{own_limits, subject, units};

/// Rows that are read at once.
const PAGE: usize = 200;
/// At most this many rows of a workspace are read, the newest first: a minute of 3,000 requests a second.
const MAX_ROWS: usize = 200_000;

/// What was admitted of each counter, with its limit: how long ago, and how much.
type Admitted = HashMap<Counter, (u64, Vec<(Duration, u64)>)>;

/// Counts what is in a window that is still open. `since_start` is the time of the limiter. How many requests.
pub async fn recount(
    limiter: &Limiter,
    directory: &Directory,
    log: &dyn Log,
    since_start: Duration,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut counted = 0;
    for entry in directory.workspaces() {
        let own = own_counters(directory, entry);
        let Some(longest) = longest_window(entry, &own) else { continue };
        let mut admitted = Admitted::new();
        let filter = ExchangeFilter { from: Some(now.minus(longest)), ..ExchangeFilter::default() };
        let mut page = PageRequest { limit: PAGE, after: None, order: Order::Desc };
        let mut rows = 0;
        loop {
            let read = log.find(entry.workspace.id(), &filter, &page).await?;
            rows += read.items.len();
            for row in &read.items {
                count(&mut admitted, entry, &own, &row.record, now);
            }
            page.after = read.next;
            if page.after.is_none() {
                break;
            }
            if rows >= MAX_ROWS {
                tracing::warn!(workspace = %entry.workspace.id(), rows, "only the newest requests are counted anew for rate limits");
                break;
            }
        }
        counted += rows;
        for (counter, (most, admitted)) in admitted {
            // Oldest first, as they came.
            limiter.restore(since_start, entry.workspace.id(), &counter, most, admitted.into_iter().rev());
        }
    }
    Ok(counted)
}

/// What the limits that stand on keys and their agents count, by key.
type Own = HashMap<VirtualKeyId, Vec<(Counter, u64)>>;

fn own_counters(directory: &Directory, entry: &WorkspaceEntry) -> Own {
    let keys = directory.keys().filter(|key| key.workspace.workspace.id() == entry.workspace.id());
    let limited = keys.filter(|key| key.has_limits());
    limited
        .map(|key| {
            let counted = own_limits(key).filter(|(_, counter, _)| counter.unit.window().is_some());
            (key.key.id(), counted.map(|(_, counter, most)| (counter, most)).collect())
        })
        .collect()
}

fn longest_window(entry: &WorkspaceEntry, own: &Own) -> Option<Duration> {
    let policies = entry.policies.iter().flat_map(PolicySet::rate_limits);
    let of_policies = policies.flat_map(|(_, limit)| units(limit)).filter_map(|(unit, _)| unit.window());
    of_policies.chain(own.values().flatten().filter_map(|(counter, _)| counter.unit.window())).max()
}

fn count(
    admitted: &mut Admitted,
    entry: &WorkspaceEntry,
    own: &Own,
    record: &ExchangeRecord,
    now: Timestamp,
) {
    if record.outcome == Outcome::Refused {
        return;
    }
    for (counter, most) in own.get(&record.virtual_key_id).into_iter().flatten() {
        let (_, list) = admitted.entry(counter.clone()).or_insert_with(|| (*most, Vec::new()));
        list.push((now.since(record.created_at), 1));
    }
    let Some(policies) = &entry.policies else { return };
    let applicable = policies.for_request(record.agent.id, Some(record.virtual_key_id));
    for (policy, limit) in applicable.rate_limits() {
        let Some(subject) = subject(record, limit.per) else { continue };
        for (unit, most) in units(limit).filter(|(unit, _)| unit.window().is_some()) {
            let amount = if unit == Unit::TokensPerMinute { tokens(record) } else { 1 };
            let counter = Counter { rule: policy.id.uuid(), subject: subject.clone(), unit };
            let (_, list) = admitted.entry(counter).or_insert_with(|| (most, Vec::new()));
            list.push((now.since(record.created_at), amount));
        }
    }
}

/// What it used; where nobody knows, as many as its request had bytes.
fn tokens(record: &ExchangeRecord) -> u64 {
    record.usage.map_or(record.request_bytes, |usage| usage.input.saturating_add(usage.output))
}
