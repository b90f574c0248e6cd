//! The entries of trails in the rows of a day.

use rungate_core::exchange::Subject;
use rungate_core::id::{SessionId, WorkspaceId};
use rungate_core::page::PageRequest;
use rungate_core::ports::StoreError;
use rungate_core::trail::{TrailEntry, TrailRow};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::super::bind::blob;
use super::super::error::OrStoreError;
use super::super::many;
use crate::record::{decode, encode, integer};
use crate::sql::Clause;
use crate::trail::{self, Told};

const COLUMNS: &str = "sequence, id, workspace, at, run_id, session_id, kind, detail, agent_id, agent_external_id, virtual_key_id, record, content";

/// Writes entries. They are above what the day has applied, so none of them is there.
pub(crate) fn write(transaction: &Transaction<'_>, told: &[Told<'_>]) -> Result<(), StoreError> {
    let written = many::insert(transaction, "trail", COLUMNS, told, |values, told| {
        let entry = told.entry;
        values.bind(integer(told.sequence))?;
        values.bind(blob(entry.id.uuid()))?;
        values.bind(blob(entry.workspace_id.uuid()))?;
        values.bind(entry.at.micros())?;
        values.bind(entry.run_id.as_str())?;
        values.bind(entry.session_id.as_ref().map(SessionId::as_str))?;
        values.bind(entry.kind().as_str())?;
        values.bind(entry.detail())?;
        values.bind(entry.agent.id.map(|id| blob(id.uuid())))?;
        values.bind(entry.agent.external_id.as_str())?;
        values.bind(entry.virtual_key_id.map(|id| blob(id.uuid())))?;
        values.bind(&**told.json)?;
        values.bind(told.content.as_deref())
    });
    written.or_store()
}

/// Entries of one day that `clause` means, in the order of a page.
pub(crate) fn read(
    rows: &Connection,
    clause: &Clause,
    columns: &str,
    order: &str,
) -> Result<Vec<TrailRow>, StoreError> {
    let sql = format!("SELECT {columns} FROM trail AS t WHERE {} {order}", clause.text());
    let mut statement = rows.prepare_cached(&sql).or_store()?;
    let mut found = statement.query(rusqlite::params_from_iter(clause.values())).or_store()?;
    let mut entries = Vec::new();
    while let Some(row) = found.next().or_store()? {
        let record = row.get_ref(0).or_store()?;
        let record = record.as_str().map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let content = row.get_ref(2).or_store()?;
        let content = content.as_blob_or_null().map_err(|error| StoreError::Corrupt(error.to_string()))?;
        entries.push(trail::row(record, row.get(1).or_store()?, content)?);
    }
    Ok(entries)
}

/// Entries that are changed at once.
const GROUP: i64 = 500;

/// Takes contents and texts out of a subject's entries. How many entries.
pub(crate) fn erase(
    rows: &mut Connection,
    workspace: WorkspaceId,
    subject: &Subject,
) -> Result<u64, StoreError> {
    let (column, value) = match subject {
        Subject::Session(id) => ("session_id", id.as_str()),
        Subject::Run(id) => ("run_id", id.as_str()),
        // Nothing in a trail says whose user it is about.
        Subject::User(_) => return Ok(0),
    };
    let sql = format!(
        "SELECT sequence, record FROM trail WHERE workspace = ?1 AND {column} = ?2 AND sequence > ?3 \
         ORDER BY sequence LIMIT ?4"
    );
    let (mut erased, mut after) = (0, 0);
    loop {
        let transaction = rows.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
        let mut found: Vec<(i64, String)> = Vec::new();
        {
            let mut statement = transaction.prepare_cached(&sql).or_store()?;
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let values = params![blob(workspace.uuid()), value, after, GROUP];
            for row in statement.query_map(values, read).or_store()? {
                found.push(row.or_store()?);
            }
            let mut update = transaction
                .prepare_cached("UPDATE trail SET record = ?2, content = NULL WHERE sequence = ?1")
                .or_store()?;
            for (sequence, json) in &found {
                let mut entry: TrailEntry = decode(json)?;
                entry.erase_text();
                update.execute(params![sequence, encode(&entry)?]).or_store()?;
            }
        }
        transaction.commit().or_store()?;
        let Some((last, _)) = found.last() else { return Ok(erased) };
        after = *last;
        erased += found.len() as u64;
    }
}

/// Where a page of entries starts and how it goes on.
pub(crate) fn order(page: &PageRequest, room: usize) -> String {
    crate::sql::order_by("t.at", "t.id", page.order, room)
}
