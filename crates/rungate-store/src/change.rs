//! What a batch of the journal does to each exchange.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rungate_core::exchange::{Body, Entry, ExchangeRecord, Sequence, Sequenced};
use rungate_core::id::ExchangeId;

use crate::block::Location;
use crate::record::search_text;

/// What a batch does to one exchange.
#[derive(Debug)]
pub(crate) struct Change {
    record: Arc<ExchangeRecord>,
    json: Arc<str>,

    /// What a search looks in.
    pub search: String,
    /// The entry that opens it.
    pub opened: Option<Sequence>,
    /// The entry that closes it.
    pub closed: Option<Sequence>,
    request: Option<Body>,
    response: Option<Body>,
    /// Where the request's body was put.
    pub request_at: Option<Location>,
    /// Where the answer's body was put.
    pub response_at: Option<Location>,
}

/// Gathers the entries of each exchange, so that one opened and closed in the same batch is written once. Adds those that
/// repeat what an earlier one of the batch did to `repeated`.
pub(crate) fn gather(entries: &[&Sequenced], repeated: &mut HashSet<Sequence>) -> Vec<Change> {
    let mut places: HashMap<ExchangeId, usize> = HashMap::new();
    let mut changes: Vec<Change> = Vec::with_capacity(entries.len());
    for sequenced in entries.iter().copied() {
        let Some(record) = sequenced.entry.record() else { continue };
        let place = *places.entry(record.id).or_insert_with(|| {
            changes.push(Change::of(record, &sequenced.json));
            changes.len() - 1
        });
        let change = &mut changes[place];
        match &*sequenced.entry {
            Entry::Opened { request, .. } if change.opened.is_none() && change.closed.is_none() => {
                change.opened = Some(sequenced.sequence);
                change.request.clone_from(request);
            }
            Entry::Closed { request, response, .. } if change.closed.is_none() => {
                if let Some(opening) = &sequenced.opening {
                    change.opened = Some(opening.sequence);
                    change.request.clone_from(&opening.request);
                }
                change.closed = Some(sequenced.sequence);
                change.record = Arc::clone(record);
                change.json = Arc::clone(&sequenced.json);
                change.request = request.clone().or(change.request.take());
                change.response.clone_from(response);
            }
            Entry::Opened { .. } | Entry::Closed { .. } | Entry::Trail { .. } => {
                repeated.insert(sequenced.sequence);
            }
        }
    }
    for change in &mut changes {
        change.search = search_text(change.record());
    }
    changes
}

impl Change {
    fn of(record: &Arc<ExchangeRecord>, json: &Arc<str>) -> Self {
        Self {
            record: Arc::clone(record),
            json: Arc::clone(json),
            search: String::new(),
            opened: None,
            closed: None,
            request: None,
            response: None,
            request_at: None,
            response_at: None,
        }
    }

    /// The exchange's last record.
    pub fn record(&self) -> &ExchangeRecord {
        &self.record
    }

    /// That record as the journal has it.
    pub fn json(&self) -> &str {
        &self.json
    }
}

/// Puts the bodies of `changes` away by `write`, which gets them in the order they are best packed in and says where each
/// is; it is not called when there are none.
pub(crate) fn put_bodies<E>(
    changes: &mut [Change],
    write: impl FnOnce(&[&Body]) -> Result<Vec<Location>, E>,
) -> Result<(), E> {
    // Those of one run next to each other: an agent's growing history repeats its start.
    let mut order: Vec<usize> = (0..changes.len()).collect();
    order.sort_by_key(|place| {
        let record = changes[*place].record();
        (record.workspace_id, record.attribution.run_id.as_ref())
    });
    let of = |place: &usize| [&changes[*place].request, &changes[*place].response];
    let bodies: Vec<&Body> = order.iter().flat_map(of).flatten().collect();
    if bodies.is_empty() {
        return Ok(());
    }
    let mut locations = write(&bodies)?.into_iter();
    for place in order {
        let change = &mut changes[place];
        change.request_at = change.request.as_ref().and_then(|_| locations.next());
        change.response_at = change.response.as_ref().and_then(|_| locations.next());
    }
    Ok(())
}
