//! Takes out of a day what is kept no longer, group by group, so that the writer is never held for long.
//!
//! Bodies are wiped before their rows forget where they are, as in an erasure.

use std::collections::BTreeMap;
use std::path::Path;

use rungate_core::ports::{Expired, Expiring, Expiry, StoreError};
use rusqlite::{
    Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params, params_from_iter,
};

use super::super::bind::DIALECT;
use super::super::error::OrStoreError;
use super::bodies;
use crate::filter;
use crate::sql::Clause;

/// Rows that are changed at once.
const GROUP: usize = 500;

/// What the day was held to last.
pub(crate) fn retention(rows: &Connection) -> Result<Option<String>, StoreError> {
    rows.query_row("SELECT retention FROM applied", [], |row| row.get(0)).or_store()
}

/// Notes what the day is held to.
pub(crate) fn set_retention(rows: &Connection, retention: &str) -> Result<(), StoreError> {
    rows.execute("UPDATE applied SET retention = ?1", [retention]).or_store()?;
    Ok(())
}

/// Whether rows are missing, so that no sums can be made of those that are there.
pub(crate) fn is_thinned(rows: &Connection) -> Result<bool, StoreError> {
    rows.query_row("SELECT is_thinned FROM applied", [], |row| row.get(0)).or_store()
}

/// Takes one group out; nothing when there is none left.
pub(crate) fn step(
    rows: &mut Connection,
    segment: &Path,
    expiry: &Expiry,
) -> Result<Option<Expired>, StoreError> {
    let clause = filter::expiry(&DIALECT, expiry);
    let exchanges = found(rows, &clause, expiry.what)?;
    if segment.exists() {
        let mut blocks: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
        for (block, offset, length) in exchanges.iter().flat_map(|row| row.bodies).flatten() {
            blocks.entry(block).or_default().push((offset, length));
        }
        blocks.iter().try_for_each(|(block, parts)| bodies::wipe(segment, *block, parts))?;
    }
    let transaction = rows.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
    let seqs: Vec<i64> = exchanges.iter().map(|row| row.seq).collect();
    let told = match expiry.what {
        Expiring::Bodies => {
            forget_bodies(&transaction, &seqs)?;
            forget_contents(&transaction, &clause)?
        }
        Expiring::Rows => {
            delete(&transaction, &seqs)?;
            delete_told(&transaction, &clause)?
        }
    };
    transaction.commit().or_store()?;
    let count = (seqs.len() + told) as u64;
    Ok(match (count, expiry.what) {
        (0, _) => None,
        (_, Expiring::Bodies) => Some(Expired { rows: 0, bodies: count }),
        (_, Expiring::Rows) => Some(Expired { rows: count, bodies: 0 }),
    })
}

/// An exchange, with block, offset and length of each body.
struct Found {
    seq: i64,
    bodies: [Option<(i64, i64, i64)>; 2],
}

fn found(rows: &Connection, clause: &Clause, what: Expiring) -> Result<Vec<Found>, StoreError> {
    let with_bodies = match what {
        Expiring::Bodies => "AND (e.request_block IS NOT NULL OR e.response_block IS NOT NULL)",
        Expiring::Rows => "",
    };
    let sql = format!(
        "SELECT e.seq, e.request_block, e.request_offset, e.request_length, e.response_block, e.response_offset, \
         e.response_length FROM exchange AS e WHERE {} {with_bodies} ORDER BY e.seq LIMIT {GROUP}",
        clause.text()
    );
    let body = |row: &Row<'_>, first: usize| -> rusqlite::Result<Option<(i64, i64, i64)>> {
        let Some(block) = row.get(first)? else { return Ok(None) };
        Ok(Some((block, row.get(first + 1)?, row.get(first + 2)?)))
    };
    let read = |row: &Row<'_>| Ok(Found { seq: row.get(0)?, bodies: [body(row, 1)?, body(row, 4)?] });
    let mut statement = rows.prepare_cached(&sql).or_store()?;
    let found = statement.query_map(params_from_iter(clause.values()), read).or_store()?;
    found.collect::<Result<_, _>>().or_store()
}

fn forget_bodies(transaction: &Transaction<'_>, seqs: &[i64]) -> Result<(), StoreError> {
    let sql = "UPDATE exchange SET request_block = NULL, request_offset = NULL, request_length = NULL, \
               request_flags = NULL, response_block = NULL, response_offset = NULL, response_length = NULL, \
               response_flags = NULL WHERE seq = ?1";
    let mut statement = transaction.prepare_cached(sql).or_store()?;
    for seq in seqs {
        statement.execute([seq]).or_store()?;
    }
    Ok(())
}

fn delete(transaction: &Transaction<'_>, seqs: &[i64]) -> Result<(), StoreError> {
    let mut created_at =
        transaction.prepare_cached("SELECT created_at FROM exchange WHERE seq = ?1").or_store()?;
    let properties = "DELETE FROM property WHERE exchange = ?1 AND created_at = ?2";
    let mut properties = transaction.prepare_cached(properties).or_store()?;
    let mut exchange = transaction.prepare_cached("DELETE FROM exchange WHERE seq = ?1").or_store()?;
    for seq in seqs {
        let at: Option<i64> = created_at.query_row([seq], |row| row.get(0)).optional().or_store()?;
        properties.execute(params![seq, at]).or_store()?;
        exchange.execute([seq]).or_store()?;
    }
    if !seqs.is_empty() {
        transaction.execute("UPDATE applied SET is_thinned = 1", []).or_store()?;
    }
    Ok(())
}

fn forget_contents(transaction: &Transaction<'_>, clause: &Clause) -> Result<usize, StoreError> {
    let sql = format!(
        "UPDATE trail SET content = NULL WHERE sequence IN (SELECT e.sequence FROM trail AS e WHERE {} \
         AND e.content IS NOT NULL LIMIT {GROUP})",
        clause.text()
    );
    transaction.execute(&sql, params_from_iter(clause.values())).or_store()
}

fn delete_told(transaction: &Transaction<'_>, clause: &Clause) -> Result<usize, StoreError> {
    let sql = format!(
        "DELETE FROM trail WHERE sequence IN (SELECT e.sequence FROM trail AS e WHERE {} LIMIT {GROUP})",
        clause.text()
    );
    transaction.execute(&sql, params_from_iter(clause.values())).or_store()
}
