//! Writes the cells of roll-ups.

use rungate_core::exchange::{Granularity, RollupKey, Sums};
use rungate_core::id::WorkspaceId;
use rungate_core::ports::StoreError;
use rungate_core::time::{Day, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::super::bind::blob;
use super::super::error::OrStoreError;
use super::summary;
use crate::rollup::{
    Cells, KEY_COLUMNS, PropertyValue, buckets, decode, encode, exchange_table, key_columns, property_table,
};

/// Adds what closings add. Each cell is read once, added to in memory, and written once.
pub(crate) fn add(transaction: &Transaction<'_>, cells: Cells) -> Result<(), StoreError> {
    let since = hours_since(transaction)?;
    let is_kept = |granularity, at| granularity == Granularity::Day || at >= since;
    for ((workspace, key), hours) in &cells.exchanges {
        let id = key_id(transaction, *workspace, key)?;
        for (granularity, at, mut sums) in buckets(hours) {
            if is_kept(granularity, at) {
                sums.merge(&exchange_cell(transaction, granularity, *workspace, at, id)?);
                put_exchange(transaction, granularity, *workspace, at, id, &sums)?;
            }
        }
    }
    for ((workspace, key, day), values) in cells.properties {
        let count = count_values(transaction, workspace, &key, day)?;
        let known = |value: &str| {
            let value = PropertyValue::Of(value.to_owned());
            let cell = property_cell(transaction, Granularity::Day, workspace, &key, day.start(), &value);
            cell.map(|cell| cell.is_some())
        };
        for (value, hours) in values.bounded(count, known)? {
            for (granularity, at, mut sums) in buckets(&hours) {
                if is_kept(granularity, at) {
                    let stored = property_cell(transaction, granularity, workspace, &key, at, &value)?;
                    sums.merge(&stored.unwrap_or_default());
                    put_property(transaction, granularity, workspace, &key, at, &value, &sums)?;
                }
            }
        }
    }
    Ok(())
}

/// The number of a combination, given to it if it is new.
pub(crate) fn key_id(
    transaction: &Transaction<'_>,
    workspace: WorkspaceId,
    key: &RollupKey,
) -> Result<i64, StoreError> {
    let workspace = blob(workspace.uuid());
    let [agent, run_agent, virtual_key, member, provider_key, provider, model] = key_columns(key);
    let values = params![workspace, agent, run_agent, virtual_key, member, provider_key, provider, model];
    let select = "SELECT id FROM rollup_key WHERE workspace = ?1 AND agent = ?2 AND run_agent = ?3 \
        AND virtual_key = ?4 AND member = ?5 AND provider_key = ?6 AND provider = ?7 AND model = ?8";
    let known = transaction.prepare_cached(select).or_store()?.query_row(values, |row| row.get(0)).optional();
    if let Some(id) = known.or_store()? {
        return Ok(id);
    }
    let insert =
        format!("INSERT INTO rollup_key (workspace, {KEY_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    transaction.prepare_cached(&insert).or_store()?.insert(values).or_store()
}

fn exchange_cell(
    transaction: &Transaction<'_>,
    granularity: Granularity,
    workspace: WorkspaceId,
    at: Timestamp,
    key: i64,
) -> Result<Sums, StoreError> {
    let table = exchange_table(granularity);
    let sql = format!("SELECT sums FROM {table} WHERE workspace = ?1 AND at = ?2 AND key = ?3");
    let values = params![blob(workspace.uuid()), at.micros(), key];
    let mut statement = transaction.prepare_cached(&sql).or_store()?;
    let sums: Option<Vec<u8>> = statement.query_row(values, |row| row.get(0)).optional().or_store()?;
    sums.map_or_else(|| Ok(Sums::default()), |sums| decode(&sums))
}

/// Writes the cell of a combination.
pub(crate) fn put_exchange(
    transaction: &Transaction<'_>,
    granularity: Granularity,
    workspace: WorkspaceId,
    at: Timestamp,
    key: i64,
    sums: &Sums,
) -> Result<(), StoreError> {
    let table = exchange_table(granularity);
    let sql = format!("INSERT OR REPLACE INTO {table} (workspace, at, key, sums) VALUES (?1, ?2, ?3, ?4)");
    let values = params![blob(workspace.uuid()), at.micros(), key, encode(sums)];
    transaction.prepare_cached(&sql).or_store()?.execute(values).or_store()?;
    Ok(())
}

fn property_cell(
    transaction: &Transaction<'_>,
    granularity: Granularity,
    workspace: WorkspaceId,
    key: &str,
    at: Timestamp,
    value: &PropertyValue,
) -> Result<Option<Sums>, StoreError> {
    let table = property_table(granularity);
    let sql = format!(
        "SELECT sums FROM {table} WHERE workspace = ?1 AND property = ?2 AND at = ?3 AND is_other = ?4 AND value = ?5"
    );
    let (is_other, value) = value.columns();
    let values = params![blob(workspace.uuid()), key, at.micros(), is_other, value];
    let mut statement = transaction.prepare_cached(&sql).or_store()?;
    let sums: Option<Vec<u8>> = statement.query_row(values, |row| row.get(0)).optional().or_store()?;
    sums.map(|sums| decode(&sums)).transpose()
}

/// Writes the cell of a property's value.
pub(crate) fn put_property(
    transaction: &Transaction<'_>,
    granularity: Granularity,
    workspace: WorkspaceId,
    key: &str,
    at: Timestamp,
    value: &PropertyValue,
    sums: &Sums,
) -> Result<(), StoreError> {
    let table = property_table(granularity);
    let sql = format!(
        "INSERT OR REPLACE INTO {table} (workspace, property, at, is_other, value, sums) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
    );
    let (is_other, value) = value.columns();
    let values = params![blob(workspace.uuid()), key, at.micros(), is_other, value, encode(sums)];
    transaction.prepare_cached(&sql).or_store()?.execute(values).or_store()?;
    Ok(())
}

/// How many values of a key the day tells apart.
fn count_values(
    transaction: &Transaction<'_>,
    workspace: WorkspaceId,
    key: &str,
    day: Day,
) -> Result<usize, StoreError> {
    let sql = "SELECT count(*) FROM rollup_property_day \
        WHERE workspace = ?1 AND property = ?2 AND at = ?3 AND is_other = 0";
    let mut statement = transaction.prepare_cached(sql).or_store()?;
    let values = params![blob(workspace.uuid()), key, day.start().micros()];
    let count: i64 = statement.query_row(values, |row| row.get(0)).or_store()?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// Hours from this one on are kept.
pub(crate) fn hours_since(connection: &Connection) -> Result<Timestamp, StoreError> {
    let since = connection.query_row("SELECT since FROM rollup_hours_kept", [], |row| row.get(0));
    since.map(Timestamp::from_micros).or_store()
}

/// Drops hourly cells before a day, for good.
pub(crate) fn drop_hours(connection: &mut Connection, before: Day) -> Result<(), StoreError> {
    let before = before.start();
    if before <= hours_since(connection)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
    for workspace in workspaces(&transaction)? {
        let workspace = blob(workspace.uuid());
        let drop = "DELETE FROM rollup_hour WHERE workspace = ?1 AND at < ?2";
        transaction.execute(drop, params![workspace, before.micros()]).or_store()?;
        let drop = "DELETE FROM rollup_property_hour WHERE workspace = ?1 AND at < ?2 \
            AND property IN (SELECT property FROM rollup_property WHERE workspace = ?1)";
        transaction.execute(drop, params![workspace, before.micros()]).or_store()?;
    }
    transaction.execute("UPDATE rollup_hours_kept SET since = ?1", [before.micros()]).or_store()?;
    transaction.commit().or_store()
}

/// The workspaces that have cells.
pub(crate) fn workspaces(connection: &Connection) -> Result<Vec<WorkspaceId>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT workspace FROM rollup_key").or_store()?;
    let ids =
        statement.query_map([], |row| super::super::bind::uuid(row, 0).map(WorkspaceId::new)).or_store()?;
    ids.collect::<rusqlite::Result<_>>().or_store()
}

/// Sets the properties that are rolled up; gives those whose older rows are not in yet.
pub(crate) fn set_properties(
    connection: &mut Connection,
    workspace: WorkspaceId,
    keys: &[String],
) -> Result<Vec<String>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
    let id = blob(workspace.uuid());
    for known in summary::rollup_properties(&transaction, workspace)? {
        if !keys.contains(&known) {
            for table in ["rollup_property", "rollup_property_hour", "rollup_property_day"] {
                let drop = format!("DELETE FROM {table} WHERE workspace = ?1 AND property = ?2");
                transaction.execute(&drop, params![id, known]).or_store()?;
            }
        }
    }
    for key in keys {
        let add = "INSERT OR IGNORE INTO rollup_property (workspace, property, is_filled) VALUES (?1, ?2, 0)";
        transaction.execute(add, params![id, key]).or_store()?;
    }
    let sql = "SELECT property FROM rollup_property WHERE workspace = ?1 AND is_filled = 0";
    let mut statement = transaction.prepare(sql).or_store()?;
    let empty = statement.query_map([id], |row| row.get(0)).or_store()?;
    let empty = empty.collect::<rusqlite::Result<_>>().or_store()?;
    drop(statement);
    transaction.commit().or_store()?;
    Ok(empty)
}

/// Notes that older rows are in.
pub(crate) fn set_filled(
    connection: &Connection,
    workspace: WorkspaceId,
    keys: &[String],
) -> Result<(), StoreError> {
    let sql = "UPDATE rollup_property SET is_filled = 1 WHERE workspace = ?1 AND property = ?2";
    let mut statement = connection.prepare_cached(sql).or_store()?;
    for key in keys {
        statement.execute(params![blob(workspace.uuid()), key]).or_store()?;
    }
    Ok(())
}
