//! Writes the cells of roll-ups.
//!
//! A cell is read, added to and written by several nodes; rows are locked in one order from reading to writing, as those of
//! runs are. Whoever makes cells anew keeps everybody else out meanwhile ([`EXCLUDE`]).

use std::collections::{BTreeMap, HashMap, HashSet};

use deadpool_postgres::Transaction;
use rungate_core::exchange::{Granularity, RollupKey, Sums};
use rungate_core::id::WorkspaceId;
use rungate_core::ports::StoreError;
use rungate_core::time::{Day, Timestamp};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::super::bind::{indexed, storable};
use super::super::error::{OrStoreError, column};
use super::super::pool::Connection;
use super::views::{Array, Write, ids, keys, numbers, parameters, texts};
use crate::rollup::{
    Cells, KEY_COLUMNS, PropertyValue, buckets, decode, encode, exchange_table, key_columns, property_table,
};

/// Held by who adds to cells, until the transaction ends.
pub(crate) const JOIN: &str = "SELECT pg_advisory_xact_lock_shared(8247331927946437683)";
/// Held by who makes or drops cells: what was added is committed, and nothing is added until the transaction ends.
pub(crate) const EXCLUDE: &str = "SELECT pg_advisory_xact_lock(8247331927946437683)";

/// Hours from this one on are kept.
pub(crate) const HOURS_SINCE: &str = "SELECT since FROM rollup_hours_kept";

/// The properties that are rolled up.
pub(crate) const PROPERTIES: &str =
    "SELECT workspace, property FROM rollup_property WHERE workspace = ANY ($1) ORDER BY 1, 2";

/// Cells of exchanges, of one granularity: by workspace, start and id of the combination.
pub(crate) type ExchangeCells = BTreeMap<(WorkspaceId, i64, Uuid), Sums>;
/// Cells of properties, of one granularity: by workspace, property, start, whether it is that of other values, and value.
pub(crate) type PropertyCells = BTreeMap<(WorkspaceId, String, i64, i64, String), Sums>;

/// Cells as their tables hold them.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// The combinations that cells refer to.
    pub keys: BTreeMap<Uuid, (WorkspaceId, RollupKey)>,
    /// Of hours and of days.
    pub exchanges: [ExchangeCells; 2],
    /// Of hours and of days.
    pub properties: [PropertyCells; 2],
}

/// Hours, days.
pub(crate) const GRANULARITIES: [Granularity; 2] = [Granularity::Hour, Granularity::Day];

const fn place(granularity: Granularity) -> usize {
    match granularity {
        Granularity::Hour => 0,
        Granularity::Day => 1,
    }
}

/// A property on a day.
pub(crate) type PropertyDay = (WorkspaceId, String, Day);

/// The values that are told apart already.
#[derive(Debug, Default)]
pub(crate) struct Known {
    counts: HashMap<PropertyDay, usize>,
    values: HashSet<(PropertyDay, String)>,
}

impl Known {
    /// Reads which of the values of `cells` the day cells have.
    pub async fn read(transaction: &Transaction<'_>, cells: &Cells) -> Result<Self, StoreError> {
        let mut known = Self::default();
        let count = "SELECT count(*) FROM rollup_property_day \
                     WHERE workspace = $1 AND property = $2 AND at = $3 AND is_other = 0";
        let values = "SELECT value FROM rollup_property_day \
                      WHERE workspace = $1 AND property = $2 AND at = $3 AND is_other = 0 AND value = ANY ($4)";
        for (place, told) in &cells.properties {
            let (workspace, key, day) = place;
            let (property, at) = (indexed(key), day.start().micros());
            let statement = transaction.prepare_cached(count).await.or_store()?;
            let row = transaction.query_one(&statement, &[&workspace.uuid(), &property, &at]).await;
            let counted: i64 = column(&row.or_store()?, 0)?;
            known.counts.insert(place.clone(), usize::try_from(counted).unwrap_or(usize::MAX));
            let statement = transaction.prepare_cached(values).await.or_store()?;
            let asked: Vec<String> = told.told_apart().map(|value| indexed(value).into_owned()).collect();
            let found = transaction.query(&statement, &[&workspace.uuid(), &property, &at, &asked]).await;
            for row in found.or_store()? {
                known.values.insert((place.clone(), column(&row, 0)?));
            }
        }
        Ok(known)
    }
}

impl Tables {
    /// From what closings add, leaving out hours before `since`.
    pub fn of(cells: Cells, known: &Known, since: Timestamp) -> Result<Self, StoreError> {
        let mut tables = Self::default();
        let is_kept = |granularity, at| granularity == Granularity::Day || at >= since;
        for ((workspace, key), hours) in cells.exchanges {
            let key = kept_key(key);
            let id = key_id(workspace, &key);
            for (granularity, at, sums) in buckets(&hours) {
                if is_kept(granularity, at) {
                    let cells = &mut tables.exchanges[place(granularity)];
                    cells.entry((workspace, at.micros(), id)).or_default().merge(&sums);
                }
            }
            tables.keys.insert(id, (workspace, key));
        }
        for (property_day, values) in cells.properties {
            let count = known.counts.get(&property_day).copied().unwrap_or(0);
            let is_known =
                |value: &str| Ok(known.values.contains(&(property_day.clone(), indexed(value).into_owned())));
            let (workspace, property, _) = &property_day;
            for (value, hours) in values.bounded(count, is_known)? {
                for (granularity, at, sums) in buckets(&hours) {
                    if is_kept(granularity, at) {
                        let cell = property_cell(*workspace, property, at, &value);
                        tables.properties[place(granularity)].entry(cell).or_default().merge(&sums);
                    }
                }
            }
        }
        Ok(tables)
    }

    /// Adds these sums to those that are stored, whose rows stay locked; gives what is to be written.
    pub async fn add_to_stored(mut self, transaction: &Transaction<'_>) -> Result<Vec<Write>, StoreError> {
        let mut writes = vec![self.write_keys()];
        for granularity in GRANULARITIES {
            let cells = std::mem::take(&mut self.exchanges[place(granularity)]);
            add_exchanges(transaction, granularity, cells, &mut writes).await?;
        }
        for granularity in GRANULARITIES {
            let cells = std::mem::take(&mut self.properties[place(granularity)]);
            add_properties(transaction, granularity, cells, &mut writes).await?;
        }
        Ok(writes)
    }

    /// Writes these cells where there are none.
    pub fn insert(&self) -> Vec<Write> {
        let mut writes = vec![self.write_keys()];
        for granularity in GRANULARITIES {
            let exchanges = self.exchanges[place(granularity)].iter();
            writes.push(insert_exchanges(granularity, &exchanges.collect::<Vec<_>>()));
            let properties = self.properties[place(granularity)].iter();
            writes.push(insert_properties(granularity, &properties.collect::<Vec<_>>()));
        }
        writes
    }

    fn write_keys(&self) -> Write {
        let names =
            |place: usize| texts(self.keys.values().map(|(_, key)| key_columns(key)[place].to_owned()));
        let mut arrays: Vec<Array> = vec![
            Box::new(self.keys.keys().copied().collect::<Vec<Uuid>>()),
            ids(self.keys.values().map(|(workspace, _)| *workspace)),
        ];
        arrays.extend((0..7).map(names));
        let sql = format!(
            "INSERT INTO rollup_key (id, workspace, {KEY_COLUMNS}) SELECT * FROM unnest($1::uuid[], $2::uuid[], \
             $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[]) \
             ON CONFLICT DO NOTHING"
        );
        Write { sql: sql.into(), arrays }
    }
}

/// A combination as it can be kept.
fn kept_key(mut key: RollupKey) -> RollupKey {
    let kept = |name: &String| storable(name).into_owned();
    key.provider = key.provider.as_ref().map(kept);
    key.model = key.model.as_ref().map(kept);
    key
}

/// The id of a combination: a UUIDv8 made from it, the same on every node.
pub(crate) fn key_id(workspace: WorkspaceId, key: &RollupKey) -> Uuid {
    let mut hash = Sha256::new().chain_update(workspace.uuid().as_bytes());
    for name in key_columns(key) {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn property_cell(
    workspace: WorkspaceId,
    property: &str,
    at: Timestamp,
    value: &PropertyValue,
) -> (WorkspaceId, String, i64, i64, String) {
    let (is_other, value) = value.columns();
    (workspace, indexed(property).into_owned(), at.micros(), is_other, indexed(value).into_owned())
}

type ExchangeCell<'a> = (&'a (WorkspaceId, i64, Uuid), &'a Sums);
type PropertyCell<'a> = (&'a (WorkspaceId, String, i64, i64, String), &'a Sums);

async fn add_exchanges(
    transaction: &Transaction<'_>,
    granularity: Granularity,
    mut cells: ExchangeCells,
    writes: &mut Vec<Write>,
) -> Result<(), StoreError> {
    if cells.is_empty() {
        return Ok(());
    }
    let table = exchange_table(granularity);
    let sql = format!(
        "SELECT c.workspace, c.at, c.key, c.sums FROM {table} AS c \
         JOIN unnest($1::uuid[], $2::bigint[], $3::uuid[]) AS n (workspace, at, key) USING (workspace, at, key) \
         ORDER BY c.workspace, c.at, c.key FOR UPDATE OF c"
    );
    let asked = exchange_arrays(&cells.iter().collect::<Vec<_>>());
    let statement = transaction.prepare_cached(&sql).await.or_store()?;
    let mut known = HashSet::new();
    for row in transaction.query(&statement, &parameters(&asked[..3])).await.or_store()? {
        let cell = (WorkspaceId::new(column(&row, 0)?), column(&row, 1)?, column(&row, 2)?);
        if let Some(sums) = cells.get_mut(&cell) {
            sums.merge(&decode(column(&row, 3)?)?);
        }
        known.insert(cell);
    }
    let (known, new): (Vec<_>, Vec<_>) = cells.iter().partition(|(cell, _)| known.contains(*cell));
    let update = format!(
        "UPDATE {table} AS c SET sums = n.sums \
         FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bytea[]) AS n (workspace, at, key, sums) \
         WHERE c.workspace = n.workspace AND c.at = n.at AND c.key = n.key"
    );
    writes.push(Write { sql: update.into(), arrays: exchange_arrays(&known) });
    writes.push(insert_exchanges(granularity, &new));
    Ok(())
}

fn insert_exchanges(granularity: Granularity, cells: &[ExchangeCell<'_>]) -> Write {
    let table = exchange_table(granularity);
    let sql = format!(
        "INSERT INTO {table} (workspace, at, key, sums) \
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bytea[])"
    );
    Write { sql: sql.into(), arrays: exchange_arrays(cells) }
}

fn exchange_arrays(cells: &[ExchangeCell<'_>]) -> Vec<Array> {
    vec![
        ids(cells.iter().map(|((workspace, ..), _)| *workspace)),
        numbers(cells.iter().map(|((_, at, _), _)| *at)),
        Box::new(cells.iter().map(|((.., key), _)| *key).collect::<Vec<Uuid>>()),
        Box::new(cells.iter().map(|(_, sums)| encode(sums)).collect::<Vec<_>>()),
    ]
}

async fn add_properties(
    transaction: &Transaction<'_>,
    granularity: Granularity,
    mut cells: PropertyCells,
    writes: &mut Vec<Write>,
) -> Result<(), StoreError> {
    if cells.is_empty() {
        return Ok(());
    }
    let table = property_table(granularity);
    let sql = format!(
        "SELECT c.workspace, c.property, c.at, c.is_other, c.value, c.sums FROM {table} AS c \
         JOIN unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::text[]) \
         AS n (workspace, property, at, is_other, value) USING (workspace, property, at, is_other, value) \
         ORDER BY c.workspace, c.property, c.at, c.is_other, c.value FOR UPDATE OF c"
    );
    let asked = property_arrays(&cells.iter().collect::<Vec<_>>());
    let statement = transaction.prepare_cached(&sql).await.or_store()?;
    let mut known = HashSet::new();
    for row in transaction.query(&statement, &parameters(&asked[..5])).await.or_store()? {
        let workspace = WorkspaceId::new(column(&row, 0)?);
        let cell = (workspace, column(&row, 1)?, column(&row, 2)?, column(&row, 3)?, column(&row, 4)?);
        if let Some(sums) = cells.get_mut(&cell) {
            sums.merge(&decode(column(&row, 5)?)?);
        }
        known.insert(cell);
    }
    let (known, new): (Vec<_>, Vec<_>) = cells.iter().partition(|(cell, _)| known.contains(*cell));
    let update = format!(
        "UPDATE {table} AS c SET sums = n.sums \
         FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bytea[]) \
         AS n (workspace, property, at, is_other, value, sums) WHERE c.workspace = n.workspace \
         AND c.property = n.property AND c.at = n.at AND c.is_other = n.is_other AND c.value = n.value"
    );
    writes.push(Write { sql: update.into(), arrays: property_arrays(&known) });
    writes.push(insert_properties(granularity, &new));
    Ok(())
}

fn insert_properties(granularity: Granularity, cells: &[PropertyCell<'_>]) -> Write {
    let table = property_table(granularity);
    let sql = format!(
        "INSERT INTO {table} (workspace, property, at, is_other, value, sums) \
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bytea[])"
    );
    Write { sql: sql.into(), arrays: property_arrays(cells) }
}

fn property_arrays(cells: &[PropertyCell<'_>]) -> Vec<Array> {
    vec![
        ids(cells.iter().map(|((workspace, ..), _)| *workspace)),
        keys(cells.iter().map(|((_, property, ..), _)| property)),
        numbers(cells.iter().map(|((_, _, at, ..), _)| *at)),
        numbers(cells.iter().map(|((_, _, _, is_other, _), _)| *is_other)),
        keys(cells.iter().map(|((.., value), _)| value)),
        Box::new(cells.iter().map(|(_, sums)| encode(sums)).collect::<Vec<_>>()),
    ]
}

/// Drops hourly cells before a day, for good.
pub(crate) async fn drop_hours(connection: &mut Connection, before: Day) -> Result<(), StoreError> {
    let before = before.start().micros();
    let transaction = connection.transaction().await.or_store()?;
    let moved = "UPDATE rollup_hours_kept SET since = $1 WHERE since < $1";
    transaction.batch_execute(EXCLUDE).await.or_store()?;
    if transaction.execute(moved, &[&before]).await.or_store()? > 0 {
        for granularity in [exchange_table(Granularity::Hour), property_table(Granularity::Hour)] {
            let drop = format!("DELETE FROM {granularity} WHERE at < $1");
            transaction.execute(&drop, &[&before]).await.or_store()?;
        }
    }
    transaction.commit().await.or_store()
}

/// Sets the properties that are rolled up; gives those whose older rows are not in yet.
pub(crate) async fn set_properties(
    connection: &mut Connection,
    workspace: WorkspaceId,
    properties: &[String],
) -> Result<Vec<String>, StoreError> {
    let id = workspace.uuid();
    let transaction = connection.transaction().await.or_store()?;
    transaction.batch_execute(EXCLUDE).await.or_store()?;
    for table in ["rollup_property", "rollup_property_hour", "rollup_property_day"] {
        let drop = format!("DELETE FROM {table} WHERE workspace = $1 AND property <> ALL ($2)");
        transaction.execute(&drop, &[&id, &properties]).await.or_store()?;
    }
    let add = "INSERT INTO rollup_property (workspace, property, is_filled) \
               SELECT $1, property, false FROM unnest($2::text[]) AS property ON CONFLICT DO NOTHING";
    transaction.execute(add, &[&id, &properties]).await.or_store()?;
    let empty = "SELECT property FROM rollup_property WHERE workspace = $1 AND NOT is_filled";
    let rows = transaction.query(empty, &[&id]).await.or_store()?;
    transaction.commit().await.or_store()?;
    rows.iter().map(|row| column(row, 0)).collect()
}

/// Notes that older rows are in.
pub(crate) async fn set_filled(
    connection: &Connection,
    workspace: WorkspaceId,
    properties: &[String],
) -> Result<(), StoreError> {
    let sql = "UPDATE rollup_property SET is_filled = true WHERE workspace = $1 AND property = ANY ($2)";
    connection.execute(sql, &[&workspace.uuid(), &properties]).await.or_store()?;
    Ok(())
}
