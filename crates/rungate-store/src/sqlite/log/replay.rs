//! Brings `views.db` up to its days when it lags behind them: it was lost, or an older copy was put in its place.
//!
//! Each day notes, with every batch, up to where everything was applied then; `views.db` can never be behind that by
//! itself. The rows know the number of each entry that made them, so they are applied to it again in that order. The
//! entries of a batch that a crash cut short are left to the journal, which still has them all.

use std::collections::BTreeMap;
use std::sync::Arc;

use rungate_core::exchange::{Entry, Sequence, Sequenced};
use rungate_core::page::Order;
use rungate_core::ports::StoreError;
use rungate_core::time::Day;
use rusqlite::Connection;

use super::super::error::OrStoreError;
use super::days::{Days, Recent};
use crate::record::{decode, decode_record, integer, unsigned};

/// Days, the newest ones, of which the last place is read; every batch writes into one of them.
const NEWEST: usize = 4;
/// Entries that are applied at once.
const CHUNK: usize = 500;
/// Days kept open.
const OPEN_DAYS: usize = 4;

/// The place up to which everything was applied, as the days say.
pub(crate) fn known(days: &Days) -> Result<Sequence, StoreError> {
    let mut known = Sequence(0);
    for day in days.listed(None, None, Order::Desc).into_iter().take(NEWEST) {
        match days.open_reader(day) {
            Ok(Some((_, rows))) => {
                let whole = rows.query_row("SELECT whole FROM applied", [], |row| row.get(0)).or_store()?;
                known = known.max(Sequence(unsigned(whole)));
            }
            Ok(None) => {}
            // A damaged or newer day is told of when it is needed; it does not keep the store from opening.
            Err(error) => tracing::warn!(%day, %error, "a day cannot be asked how far it is"),
        }
    }
    Ok(known)
}

/// One entry that a row was made from.
#[derive(Debug, Clone, Copy)]
struct Made {
    day: Day,
    row: i64,
    kind: Kind,
}

/// What an entry was.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Opening,
    Closing,
    Trail,
}

/// The entries above a place, in order, as rows have them.
pub(crate) struct Replay {
    days: Arc<Days>,
    after: Sequence,
    known: Sequence,
    /// Days not looked into yet, by their first entry, the last day first.
    waiting: Vec<(u64, Day)>,
    next: BTreeMap<u64, Made>,
    open: Recent<Connection>,
    last: u64,
}

impl Replay {
    /// The entries above `after` that are `known` to be applied everywhere, and those that follow without a gap.
    pub fn open(days: Arc<Days>, after: Sequence, known: Sequence) -> Result<Self, StoreError> {
        let mut waiting = Vec::new();
        let sql = "SELECT min(min(CASE WHEN opened_sequence > ?1 THEN opened_sequence ELSE 9223372036854775807 END, \
            CASE WHEN closed_sequence > ?1 THEN closed_sequence ELSE 9223372036854775807 END)) FROM exchange";
        let told = "SELECT min(sequence) FROM trail WHERE sequence > ?1";
        for day in days.listed(None, None, Order::Asc) {
            let Some((_, rows)) = days.open_reader(day)? else { continue };
            let first =
                |sql| rows.query_row(sql, [integer(after.0)], |row| row.get::<_, Option<i64>>(0)).or_store();
            let first = first(sql)?.into_iter().chain(first(told)?).min();
            waiting.extend(first.filter(|first| *first < i64::MAX).map(|first| (unsigned(first), day)));
        }
        waiting.sort_unstable_by(|a, b| b.cmp(a));
        let open = Recent::new(OPEN_DAYS);
        Ok(Self { days, after, known, waiting, next: BTreeMap::new(), open, last: known.0 })
    }

    /// The next entries; none at the end.
    pub fn chunk(&mut self) -> Result<Vec<Sequenced>, StoreError> {
        let mut chunk = Vec::with_capacity(CHUNK);
        while chunk.len() < CHUNK {
            let head = self.next.keys().next().copied();
            if let Some((first, day)) = self.waiting.last().copied()
                && head.is_none_or(|head| first <= head)
            {
                self.waiting.pop();
                self.look_into(day)?;
                continue;
            }
            let Some((sequence, made)) = self.next.pop_first() else { break };
            if sequence > self.known.0 {
                if sequence != self.last + 1 {
                    // The journal has what is missing, and all that follows.
                    self.next.clear();
                    self.waiting.clear();
                    break;
                }
                self.last = sequence;
            }
            chunk.push(self.read(Sequence(sequence), made)?);
        }
        Ok(chunk)
    }

    fn look_into(&mut self, day: Day) -> Result<(), StoreError> {
        let after = integer(self.after.0);
        let next = &mut self.next;
        let Some(rows) = rows_of(&self.days, &mut self.open, day)? else { return Ok(()) };
        for (kind, sql) in [
            (Kind::Opening, "SELECT opened_sequence, seq FROM exchange WHERE opened_sequence > ?1"),
            (Kind::Closing, "SELECT closed_sequence, seq FROM exchange WHERE closed_sequence > ?1"),
            (Kind::Trail, "SELECT sequence, sequence FROM trail WHERE sequence > ?1"),
        ] {
            let mut statement = rows.prepare_cached(sql).or_store()?;
            let found = statement.query_map([after], |row| Ok((row.get(0)?, row.get(1)?))).or_store()?;
            for found in found {
                let (sequence, row): (i64, i64) = found.or_store()?;
                next.insert(unsigned(sequence), Made { day, row, kind });
            }
        }
        Ok(())
    }

    fn read(&mut self, sequence: Sequence, made: Made) -> Result<Sequenced, StoreError> {
        let Some(rows) = rows_of(&self.days, &mut self.open, made.day)? else {
            return Err(StoreError::Unavailable(format!("the rows of {} are gone", made.day)));
        };
        let sql = match made.kind {
            Kind::Opening | Kind::Closing => "SELECT record, created_at FROM exchange WHERE seq = ?1",
            Kind::Trail => "SELECT record, at FROM trail WHERE sequence = ?1",
        };
        let mut statement = rows.prepare_cached(sql).or_store()?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let (json, created_at): (String, i64) = statement.query_row([made.row], read).or_store()?;
        // An opening is read as its closing left it: what an opening adds to a run or session, no closing changes.
        let record = || Ok::<_, StoreError>(Arc::new(decode_record(&json, created_at)?));
        let entry = match made.kind {
            Kind::Opening => Entry::Opened { record: record()?, request: None },
            Kind::Closing => Entry::Closed { record: record()?, request: None, response: None },
            Kind::Trail => Entry::Trail { entry: Box::new(decode(&json)?), content: None },
        };
        Ok(Sequenced { sequence, entry: Arc::new(entry), opening: None, json: json.into() })
    }
}

fn rows_of<'a>(
    days: &Days,
    open: &'a mut Recent<Connection>,
    day: Day,
) -> Result<Option<&'a Connection>, StoreError> {
    let rows = match open.take(day) {
        Some(rows) => rows,
        None => match days.open_reader(day)? {
            Some((_, rows)) => rows,
            None => return Ok(None),
        },
    };
    Ok(Some(open.put(day, rows)))
}
