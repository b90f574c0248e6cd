//! Takes the text out of the rows of a day, and out of what outlives the days.
//!
//! Bodies are wiped before their rows forget where they are: after a crash in between, asking again finds them again.

use std::collections::BTreeMap;
use std::path::Path;

use rungate_core::exchange::{Erased, ExchangeRecord, Subject};
use rungate_core::id::WorkspaceId;
use rungate_core::ports::StoreError;
use rusqlite::{Connection, Row, TransactionBehavior, params};

use super::super::bind::blob;
use super::super::error::OrStoreError;
use super::super::file;
use super::{bodies, trail};
use crate::record::{decode, encode, search_text};

/// Rows that are changed at once.
const GROUP: i64 = 500;

/// A row whose text is to go.
struct Spoken {
    seq: i64,
    record: ExchangeRecord,
    /// Block, offset and length of each body.
    bodies: [Option<(i64, i64, i64)>; 2],
}

/// Erases from the rows and bodies of one day.
pub(crate) fn day(
    rows: &mut Connection,
    segment: &Path,
    workspace: WorkspaceId,
    subject: &Subject,
) -> Result<Erased, StoreError> {
    let mut erased = Erased::default();
    let mut after = 0;
    loop {
        let group = spoken(rows, workspace, subject, after)?;
        let Some(last) = group.last() else { break };
        after = last.seq;
        let mut blocks: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
        for (block, offset, length) in group.iter().flat_map(|row| row.bodies).flatten() {
            blocks.entry(block).or_default().push((offset, length));
        }
        if segment.exists() {
            blocks.iter().try_for_each(|(block, parts)| bodies::wipe(segment, *block, parts))?;
        }
        forget(rows, group, &mut erased)?;
    }
    erased.entries = trail::erase(rows, workspace, subject)?;
    if erased.exchanges > 0 || erased.entries > 0 {
        // The write-ahead log has the old pages too.
        file::checkpoint(rows);
    }
    Ok(erased)
}

/// Erases from the exchanges that are open.
pub(crate) fn pending(
    views: &mut Connection,
    workspace: WorkspaceId,
    subject: &Subject,
) -> Result<(), StoreError> {
    let transaction = views.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
    let mut found = Vec::new();
    {
        let mut statement =
            transaction.prepare_cached("SELECT id, record FROM pending WHERE workspace = ?1").or_store()?;
        let read = |row: &Row<'_>| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, String>(1)?));
        for row in statement.query_map([blob(workspace.uuid())], read).or_store()? {
            let (id, json) = row.or_store()?;
            let record: ExchangeRecord = decode(&json)?;
            if subject.is_of(&record) {
                found.push((id, record));
            }
        }
        let mut update =
            transaction.prepare_cached("UPDATE pending SET record = ?2 WHERE id = ?1").or_store()?;
        for (id, mut record) in found {
            record.erase_text();
            update.execute(params![id, encode(&record)?]).or_store()?;
        }
    }
    transaction.commit().or_store()
}

fn spoken(
    rows: &Connection,
    workspace: WorkspaceId,
    subject: &Subject,
    after: i64,
) -> Result<Vec<Spoken>, StoreError> {
    let (column, value) = match subject {
        Subject::User(id) => ("user_id", id.as_str()),
        Subject::Session(id) => ("session_id", id.as_str()),
        Subject::Run(id) => ("run_id", id.as_str()),
    };
    let sql = format!(
        "SELECT seq, record, request_block, request_offset, request_length, response_block, response_offset, \
         response_length FROM exchange WHERE workspace = ?1 AND {column} = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4"
    );
    let mut statement = rows.prepare_cached(&sql).or_store()?;
    let body = |row: &Row<'_>, first: usize| -> rusqlite::Result<Option<(i64, i64, i64)>> {
        let Some(block) = row.get(first)? else { return Ok(None) };
        Ok(Some((block, row.get(first + 1)?, row.get(first + 2)?)))
    };
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?, [body(row, 2)?, body(row, 5)?]));
    let found = statement.query_map(params![blob(workspace.uuid()), value, after, GROUP], read).or_store()?;
    found
        .map(|row| {
            let (seq, json, bodies) = row.or_store()?;
            Ok(Spoken { seq, record: decode(&json)?, bodies })
        })
        .collect()
}

fn forget(rows: &mut Connection, group: Vec<Spoken>, erased: &mut Erased) -> Result<(), StoreError> {
    let transaction = rows.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
    {
        let mut update = transaction
            .prepare_cached(
                "UPDATE exchange SET search = ?2, record = ?3, request_block = NULL, request_offset = NULL, \
                 request_length = NULL, request_flags = NULL, response_block = NULL, response_offset = NULL, \
                 response_length = NULL, response_flags = NULL WHERE seq = ?1",
            )
            .or_store()?;
        for Spoken { seq, mut record, bodies } in group {
            erased.exchanges += 1;
            erased.open += u64::from(!record.is_closed());
            erased.bodies += bodies.iter().flatten().count() as u64;
            erased.previews += record.erase_text();
            update.execute(params![seq, search_text(&record), encode(&record)?]).or_store()?;
        }
    }
    transaction.commit().or_store()
}
