//! Moves the sums of the first schema, which had a day and one dimension each, to the cells of roll-ups.
//!
//! A day whose rows are kept is made from these. Of an older one the sums by virtual key are kept, which every exchange
//! has exactly one of: its totals and what each key spent stay right, what each agent spent is not known any more.

use std::collections::BTreeSet;

use rungate_core::exchange::{Granularity, RollupKey, Sums, Totals};
use rungate_core::id::WorkspaceId;
use rungate_core::money::NanoUsd;
use rungate_core::ports::StoreError;
use rungate_core::time::Day;
use rusqlite::{Connection, TransactionBehavior};

use super::super::bind::uuid;
use super::super::error::OrStoreError;
use super::cells;
use crate::record::unsigned;

/// Whether there is anything to move.
pub(crate) fn is_there(connection: &Connection) -> Result<bool, StoreError> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM rollup)", [], |row| row.get(0)).or_store()
}

/// Moves the days but for those in `made`, and leaves nothing behind.
pub(crate) fn move_days(connection: &mut Connection, made: &BTreeSet<Day>) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
    let sql = "SELECT workspace, day, entity, requests, errors, input_tokens, output_tokens, cost, \
        unknown_cost_requests, latency_ms FROM rollup WHERE dimension = 'virtual_key'";
    let mut statement = transaction.prepare(sql).or_store()?;
    let mut rows = statement.query([]).or_store()?;
    while let Some(row) = rows.next().or_store()? {
        let day = Day::from_days(row.get(1).or_store()?);
        if made.contains(&day) {
            continue;
        }
        let workspace = WorkspaceId::new(uuid(row, 0).or_store()?);
        let key = RollupKey {
            agent: String::new(),
            run_agent: String::new(),
            virtual_key: row.get(2).or_store()?,
            member: None,
            provider_key: None,
            provider: None,
            model: None,
        };
        let sums = Sums { totals: totals(row).or_store()?, ..Sums::default() };
        let id = cells::key_id(&transaction, workspace, &key)?;
        cells::put_exchange(&transaction, Granularity::Day, workspace, day.start(), id, &sums)?;
    }
    drop(rows);
    drop(statement);
    transaction.execute("DELETE FROM rollup", []).or_store()?;
    transaction.commit().or_store()
}

fn totals(row: &rusqlite::Row<'_>) -> rusqlite::Result<Totals> {
    let count = |column: usize| row.get(column).map(unsigned);
    Ok(Totals {
        requests: count(3)?,
        errors: count(4)?,
        input_tokens: count(5)?,
        output_tokens: count(6)?,
        cost: NanoUsd::from_nanos(row.get(7)?),
        unknown_cost_requests: count(8)?,
        unknown_cost_reserved: NanoUsd::ZERO,
        latency_ms: count(9)?,
    })
}
