//! What a batch of the journal does to each exchange.

use std::collections::{HashMap, HashSet};

use rungate_core::exchange::{Body, Entry, ExchangeRecord, Sequence, Sequenced};
use rungate_core::id::ExchangeId;

use crate::block::Location;
use crate::record::search_text;

/// What a batch does to one exchange.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// Its last record.
    pub record: &'a ExchangeRecord,
    /// The record as the journal has it.
    pub json: &'a str,
    /// What a search looks in.
    pub search: String,
    /// The entry that opens it.
    pub opened: Option<Sequence>,
    /// The entry that closes it.
    pub closed: Option<Sequence>,
    request: Option<&'a Body>,
    response: Option<&'a Body>,
    /// Where the request's body was put.
    pub request_at: Option<Location>,
    /// Where the answer's body was put.
    pub response_at: Option<Location>,
}

/// Gathers the entries of each exchange, so that one opened and closed in the same batch is written once. Adds those that
/// repeat what an earlier one of the batch did to `repeated`.
pub(crate) fn gather<'a>(entries: &[&'a Sequenced], repeated: &mut HashSet<Sequence>) -> Vec<Change<'a>> {
    let mut places: HashMap<ExchangeId, usize> = HashMap::new();
    let mut changes: Vec<Change<'a>> = Vec::with_capacity(entries.len());
    for Sequenced { sequence, entry, json } in entries.iter().copied() {
        let place = *places.entry(entry.exchange_id()).or_insert_with(|| {
            changes.push(Change::of(entry.record()));
            changes.len() - 1
        });
        let change = &mut changes[place];
        match &**entry {
            Entry::Opened { request, .. } if change.opened.is_none() && change.closed.is_none() => {
                change.opened = Some(*sequence);
                change.json = json;
                change.request = request.as_ref();
            }
            Entry::Closed { record, request, response } if change.closed.is_none() => {
                change.closed = Some(*sequence);
                change.record = record;
                change.json = json;
                change.request = request.as_ref().or(change.request);
                change.response = response.as_ref();
            }
            Entry::Opened { .. } | Entry::Closed { .. } => {
                repeated.insert(*sequence);
            }
        }
    }
    for change in &mut changes {
        change.search = search_text(change.record);
    }
    changes
}

impl<'a> Change<'a> {
    const fn of(record: &'a ExchangeRecord) -> Self {
        Self {
            record,
            json: "",
            search: String::new(),
            opened: None,
            closed: None,
            request: None,
            response: None,
            request_at: None,
            response_at: None,
        }
    }
}

/// Puts the bodies of `changes` away by `write`, which gets them in the order they are best packed in and says where each
/// is; it is not called when there are none.
pub(crate) fn put_bodies<E>(
    changes: &mut [Change<'_>],
    write: impl FnOnce(&[&Body]) -> Result<Vec<Location>, E>,
) -> Result<(), E> {
    // Those of one run next to each other: an agent's growing history repeats its start.
    let mut order: Vec<&mut Change<'_>> = changes.iter_mut().collect();
    order.sort_by_key(|change| (change.record.workspace_id, change.record.attribution.run_id.as_ref()));
    let bodies: Vec<&Body> =
        order.iter().flat_map(|change| [change.request, change.response]).flatten().collect();
    if bodies.is_empty() {
        return Ok(());
    }
    let mut locations = write(&bodies)?.into_iter();
    for change in order {
        change.request_at = change.request.and_then(|_| locations.next());
        change.response_at = change.response.and_then(|_| locations.next());
    }
    Ok(())
}
