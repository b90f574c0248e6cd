//! Writes one day: its bodies first, then its rows and its place in the journal in one transaction.

use std::collections::HashSet;

use rungate_core::exchange::{Entry, ExchangeRecord, Sequence, Sequenced};
use rungate_core::id::{ExchangeId, RequestId, RunId, SessionId, TraceId, UserId, WorkspaceId};
use rungate_core::ports::StoreError;
use rungate_core::time::Day;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Statement, Transaction, TransactionBehavior, params,
};

use super::super::bind::blob;
use super::super::error::OrStoreError;
use super::super::many;
use super::bodies::Segment;
use super::days::Days;
use crate::change::{self, Change};
use crate::record::{decode_record, integer, unsigned};
use crate::trail;

/// The files of one day, open to write.
#[derive(Debug)]
pub(crate) struct DayWriter {
    day: Day,
    connection: Connection,
    segment: Option<Segment>,
    applied: Sequence,
}

impl DayWriter {
    /// Opens the rows of a day, made if absent.
    pub fn open(days: &Days, day: Day) -> Result<Self, StoreError> {
        let connection = days.open_writer(day)?;
        let applied = applied(&connection)?;
        Ok(Self { day, connection, segment: None, applied })
    }

    /// Its connection.
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Its connection, to change rows outside of a batch.
    pub const fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Applies entries of this day. Gives those that repeat what an earlier entry did already, which no correct journal
    /// has: they change nothing and must not be counted. `whole` is the place up to which all files have applied everything.
    pub fn apply(
        &mut self,
        days: &Days,
        entries: &[&Sequenced],
        whole: Sequence,
    ) -> Result<HashSet<Sequence>, StoreError> {
        let (old, new): (Vec<&Sequenced>, Vec<&Sequenced>) =
            entries.iter().partition(|entry| entry.sequence <= self.applied);
        let mut repeated = self.repeated_before(&old)?;
        let Some(last) = new.last().map(|entry| entry.sequence) else { return Ok(repeated) };
        let mut changes = change::gather(&new, &mut repeated);
        self.write_bodies(days, &mut changes)?;
        let told = trail::told(&new)?;
        write_rows(&mut self.connection, &changes, &mut repeated, |transaction| {
            super::trail::write(transaction, &told)?;
            set_applied(transaction, last)?;
            let mut statement = transaction.prepare_cached("UPDATE applied SET whole = ?1").or_store()?;
            statement.execute([integer(whole.0)]).or_store()?;
            Ok(())
        })?;
        self.applied = last;
        Ok(repeated)
    }

    /// Which of the entries that this day applied before it left out then.
    fn repeated_before(&self, entries: &[&Sequenced]) -> Result<HashSet<Sequence>, StoreError> {
        let mut repeated = HashSet::new();
        let mut statement = self
            .connection
            .prepare_cached("SELECT opened_sequence, closed_sequence FROM exchange WHERE id = ?1")
            .or_store()?;
        for entry in entries {
            let Some(id) = entry.entry.exchange_id().map(|id| blob(id.uuid())) else { continue };
            let row =
                statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional().or_store()?;
            // Without a row (moved aside, or dropped by retention) there is nothing to repeat.
            let Some((opened, closed)): Option<(Option<i64>, Option<i64>)> = row else { continue };
            let by = if matches!(*entry.entry, Entry::Opened { .. }) { opened } else { closed };
            if by != Some(integer(entry.sequence.0)) {
                repeated.insert(entry.sequence);
            }
        }
        Ok(repeated)
    }

    fn write_bodies(&mut self, days: &Days, changes: &mut [Change]) -> Result<(), StoreError> {
        change::put_bodies(changes, |bodies| {
            let mut segment = match self.segment.take() {
                Some(segment) if days.has_bodies(self.day) => segment,
                _ => Segment::open(days.bodies(self.day))?,
            };
            days.add_bodies(self.day);
            let locations = segment.append(bodies)?;
            self.segment = Some(segment);
            Ok(locations)
        })
    }
}

/// The place in the journal that a file has applied.
pub(crate) fn applied(connection: &Connection) -> Result<Sequence, StoreError> {
    let sequence = connection.query_row("SELECT sequence FROM applied", [], |row| row.get(0)).or_store()?;
    Ok(Sequence(unsigned(sequence)))
}

/// An exchange of the day that has been closed, and its JSON.
pub(crate) fn closed_record(
    connection: &Connection,
    id: ExchangeId,
) -> Result<Option<(ExchangeRecord, String)>, StoreError> {
    let sql = "SELECT record, created_at FROM exchange WHERE id = ?1 AND closed_sequence IS NOT NULL";
    let mut statement = connection.prepare_cached(sql).or_store()?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
    let found = statement.query_row([blob(id.uuid())], read).optional().or_store()?;
    found.map(|(json, created_at)| Ok((decode_record(&json, created_at)?, json))).transpose()
}

/// Sets the place in the journal that a file has applied.
pub(crate) fn set_applied(transaction: &Transaction<'_>, sequence: Sequence) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached("UPDATE applied SET sequence = ?1").or_store()?;
    statement.execute([integer(sequence.0)]).or_store()?;
    Ok(())
}

const COLUMNS: &str = "id, workspace, created_at, opened_sequence, closed_sequence, request_id, run_id, session_id, \
    trace_id, agent_id, agent_external_id, member_id, virtual_key_id, provider_key_id, model, requested_model, provider, \
    kind, status, outcome, is_error, error_code, user_id, cost, latency_ms, response_id, request_block, request_offset, \
    request_length, request_flags, response_block, response_offset, response_length, response_flags, search, record";

/// What a closing can change; the rest is fixed when the exchange starts.
const CLOSE: &str = "UPDATE exchange SET closed_sequence = ?2, provider_key_id = ?3, model = ?4, \
    requested_model = ?5, provider = ?6, status = ?7, outcome = ?8, \
    is_error = ?9, error_code = ?10, cost = ?11, latency_ms = ?12, \
    response_id = ?13, request_block = coalesce(?14, request_block), \
    request_offset = coalesce(?15, request_offset), \
    request_length = coalesce(?16, request_length), \
    request_flags = coalesce(?17, request_flags), response_block = ?18, \
    response_offset = ?19, response_length = ?20, response_flags = ?21, \
    search = ?22, record = ?23 WHERE id = ?1 AND closed_sequence IS NULL";

/// Writes the rows of a batch, and what `finish` adds, in one transaction.
///
/// Exchanges that were opened in this batch are new unless the journal is wrong, so they are inserted many at a time and
/// without a look: when one of them turns out to be known, the transaction is over and the batch is written again with care.
fn write_rows(
    connection: &mut Connection,
    changes: &[Change],
    repeated: &mut HashSet<Sequence>,
    finish: impl Fn(&Transaction<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for is_careful in [false, true] {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
        let mut left_out = HashSet::new();
        let rows = Rows { transaction: &transaction };
        match rows.write(changes, is_careful, &mut left_out) {
            Err(rusqlite::Error::SqliteFailure(error, _))
                if !is_careful && error.code == ErrorCode::ConstraintViolation =>
            {
                continue;
            }
            written => written.or_store()?,
        }
        finish(&transaction)?;
        transaction.commit().or_store()?;
        repeated.extend(left_out);
        break;
    }
    Ok(())
}

/// Writes rows in one transaction.
struct Rows<'a> {
    transaction: &'a Transaction<'a>,
}

impl Rows<'_> {
    fn write(
        &self,
        changes: &[Change],
        is_careful: bool,
        left_out: &mut HashSet<Sequence>,
    ) -> rusqlite::Result<()> {
        let mut new: Vec<&Change> = Vec::with_capacity(changes.len());
        for change in changes {
            // A closing alone most likely follows an opening of an earlier batch.
            if change.opened.is_none() && self.close(change)? {
                continue;
            }
            if !is_careful || !self.is_known(change)? {
                new.push(change);
                continue;
            }
            left_out.extend(change.opened);
            if change.opened.is_none() || (change.closed.is_some() && !self.close(change)?) {
                left_out.extend(change.closed);
            }
        }
        // Ids begin with their time: most indexes then grow at their end.
        new.sort_unstable_by_key(|change| change.record().id);
        self.insert(&new)
    }

    fn is_known(&self, change: &Change) -> rusqlite::Result<bool> {
        let mut statement = self.transaction.prepare_cached("SELECT 1 FROM exchange WHERE id = ?1")?;
        statement.exists([blob(change.record().id.uuid())])
    }

    fn close(&self, change: &Change) -> rusqlite::Result<bool> {
        let mut statement = self.transaction.prepare_cached(CLOSE)?;
        execute_close(&mut statement, change)
    }

    fn insert(&self, new: &[&Change]) -> rusqlite::Result<()> {
        // Its row is numbered by the database: given here, every statement would have to be undone by itself.
        many::insert(self.transaction, "exchange", COLUMNS, new, |values, change| bind_row(values, change))?;
        let last = self.transaction.last_insert_rowid();
        let mut properties: Vec<Property<'_>> = Vec::new();
        for (seq, change) in (last + 1 - integer(new.len() as u64)..).zip(new) {
            let record = change.record();
            properties.extend(record.attribution.properties.iter().map(|(key, value)| Property {
                workspace: record.workspace_id,
                key,
                value,
                created_at: record.created_at.micros(),
                exchange: seq,
            }));
        }
        properties.sort_unstable();
        let columns = "workspace, key, value, created_at, exchange";
        many::insert(self.transaction, "property", columns, &properties, |values, property| {
            values.bind(blob(property.workspace.uuid()))?;
            values.bind(property.key)?;
            values.bind(property.value)?;
            values.bind(property.created_at)?;
            values.bind(property.exchange)
        })
    }
}

/// A row of the table `property`, in the order of its key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Property<'a> {
    workspace: WorkspaceId,
    key: &'a str,
    value: &'a str,
    created_at: i64,
    exchange: i64,
}

/// Binds in the order of [`COLUMNS`].
fn bind_row(values: &mut many::Values<'_, '_>, change: &Change) -> rusqlite::Result<()> {
    let record = change.record();
    let attribution = &record.attribution;
    values.bind(blob(record.id.uuid()))?;
    values.bind(blob(record.workspace_id.uuid()))?;
    values.bind(record.created_at.micros())?;
    values.bind(change.opened.map(|sequence| integer(sequence.0)))?;
    values.bind(change.closed.map(|sequence| integer(sequence.0)))?;
    values.bind(record.request_id.as_ref().map(RequestId::as_str))?;
    values.bind(attribution.run_id.as_ref().map(RunId::as_str))?;
    values.bind(attribution.session_id.as_ref().map(SessionId::as_str))?;
    values.bind(attribution.trace_id.as_ref().map(TraceId::as_str))?;
    values.bind(record.agent.id.map(|id| blob(id.uuid())))?;
    values.bind(record.agent.external_id.as_str())?;
    values.bind(record.member_id.map(|id| blob(id.uuid())))?;
    values.bind(blob(record.virtual_key_id.uuid()))?;
    values.bind(record.provider_key_id.map(|id| blob(id.uuid())))?;
    values.bind(record.model.as_deref())?;
    values.bind(record.requested_model.as_deref())?;
    values.bind(record.provider.as_deref())?;
    values.bind(record.kind.as_str())?;
    values.bind(record.status)?;
    values.bind(record.outcome.as_str())?;
    values.bind(record.is_error())?;
    values.bind(record.error_code.map(rungate_core::code::Code::as_str))?;
    values.bind(attribution.user_id.as_ref().map(UserId::as_str))?;
    values.bind(record.cost.map(rungate_core::money::NanoUsd::nanos))?;
    values.bind(record.latency_ms.map(integer))?;
    values.bind(record.response_id.as_deref())?;
    for at in [change.request_at, change.response_at] {
        values.bind(at.map(|at| at.block))?;
        values.bind(at.map(|at| at.offset))?;
        values.bind(at.map(|at| at.length))?;
        values.bind(at.map(|at| at.flags))?;
    }
    values.bind(change.search.as_str())?;
    values.bind(change.json())
}

/// Binds in the order of the numbers of [`CLOSE`].
fn execute_close(statement: &mut Statement<'_>, change: &Change) -> rusqlite::Result<bool> {
    let Change { request_at, response_at, .. } = change;
    let record = change.record();
    let closed = statement.execute(params![
        blob(record.id.uuid()),
        change.closed.map(|sequence| integer(sequence.0)),
        record.provider_key_id.map(|id| blob(id.uuid())),
        record.model,
        record.requested_model,
        record.provider,
        record.status,
        record.outcome.as_str(),
        record.is_error(),
        record.error_code.map(rungate_core::code::Code::as_str),
        record.cost.map(rungate_core::money::NanoUsd::nanos),
        record.latency_ms.map(integer),
        record.response_id,
        request_at.map(|at| at.block),
        request_at.map(|at| at.offset),
        request_at.map(|at| at.length),
        request_at.map(|at| at.flags),
        response_at.map(|at| at.block),
        response_at.map(|at| at.offset),
        response_at.map(|at| at.length),
        response_at.map(|at| at.flags),
        change.search,
        change.json(),
    ]);
    Ok(closed? > 0)
}
