//! Makes the cells of one day anew from its rows.
//!
//! An exchange's day of rows is the day of its cells, too: both are those of its start.

use std::collections::HashMap;

use rungate_core::exchange::{
    ExchangeRecord, Granularity, MAX_ROLLUP_VALUES, RebuildMode, Rebuilt, RollupKey, Sequence, Sums,
};
use rungate_core::id::{RunId, WorkspaceId};
use rungate_core::ports::StoreError;
use rungate_core::time::{Day, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::super::bind::{blob, uuid};
use super::super::error::OrStoreError;
use super::{cells, views};
use crate::record::{decode_record, integer};
use crate::rollup::{
    Cells, KEY_COLUMNS, PropertyValue, buckets, decode, exchange_table, key_of, property_table,
};
use crate::view;

/// Which cells; each is one pass over rows, so that the values of one property at a time are in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of exchanges, of every workspace.
    Exchanges,
    /// Those of one property key.
    Property(WorkspaceId, String),
}

/// One cell, apart from what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Cell {
    Exchange(WorkspaceId, Granularity, Timestamp, RollupKey),
    Property(WorkspaceId, String, Granularity, Timestamp, PropertyValue),
}

/// Compares the cells of a day with its rows, as far as these are applied, and mends them if asked to; one scope alone,
/// or all that there are.
pub(crate) fn rebuild(
    views: &mut Connection,
    rows: &Connection,
    applied: Sequence,
    day: Day,
    mode: RebuildMode,
    only: Option<Scope>,
) -> Result<Rebuilt, StoreError> {
    let transaction = views.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
    let rolled_up = properties(&transaction)?;
    let scopes = match only {
        // It may have been taken back meanwhile.
        Some(scope) => rolled_up.into_iter().filter(|known| *known == scope).collect(),
        None => [Scope::Exchanges].into_iter().chain(rolled_up).collect::<Vec<_>>(),
    };
    let mut rebuilt = Rebuilt::default();
    for scope in scopes {
        let pass = Pass { transaction: &transaction, rows, applied, day, scope };
        pass.run(mode, &mut rebuilt)?;
    }
    transaction.commit().or_store()?;
    Ok(rebuilt)
}

fn properties(transaction: &Transaction<'_>) -> Result<Vec<Scope>, StoreError> {
    let sql = "SELECT workspace, property FROM rollup_property";
    let mut statement = transaction.prepare_cached(sql).or_store()?;
    let scope = |row: &rusqlite::Row<'_>| Ok(Scope::Property(WorkspaceId::new(uuid(row, 0)?), row.get(1)?));
    let scopes = statement.query_map([], scope).or_store()?;
    scopes.collect::<rusqlite::Result<_>>().or_store()
}

/// One scope of one day.
struct Pass<'a> {
    transaction: &'a Transaction<'a>,
    rows: &'a Connection,
    applied: Sequence,
    day: Day,
    scope: Scope,
}

impl Pass<'_> {
    fn run(&self, mode: RebuildMode, rebuilt: &mut Rebuilt) -> Result<(), StoreError> {
        let expected = self.expected(rebuilt)?;
        let stored = self.stored()?;
        let wrong = expected.iter().filter(|(cell, sums)| stored.get(cell) != Some(&Some(**sums))).count();
        let too_many = stored.keys().filter(|cell| !expected.contains_key(cell)).count();
        rebuilt.cells += expected.len() as u64;
        rebuilt.differed += (wrong + too_many) as u64;
        if mode == RebuildMode::Mend && wrong + too_many > 0 {
            self.clear()?;
            for (cell, sums) in &expected {
                self.put(cell, sums)?;
            }
        }
        Ok(())
    }

    /// The cells that the rows make.
    fn expected(&self, rebuilt: &mut Rebuilt) -> Result<HashMap<Cell, Sums>, StoreError> {
        let mut made = Cells::default();
        let mut first_agents = FirstAgents::new(self.transaction);
        let mut statement =
            self.rows.prepare_cached("SELECT record, created_at FROM exchange WHERE seq = ?1").or_store()?;
        for seq in self.closed()? {
            let (json, created_at): (String, i64) =
                statement.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?))).or_store()?;
            let record = decode_record(&json, created_at)?;
            match &self.scope {
                Scope::Exchanges => {
                    made.add(&record, first_agents.of(&record)?);
                    rebuilt.exchanges += 1;
                }
                Scope::Property(_, key) => made.add_property(&record, key, MAX_ROLLUP_VALUES),
            }
        }
        let since = cells::hours_since(self.transaction)?;
        let is_kept = |granularity, at| granularity == Granularity::Day || at >= since;
        let mut expected = HashMap::new();
        for ((workspace, key), hours) in made.exchanges {
            for (granularity, at, sums) in buckets(&hours) {
                if is_kept(granularity, at) {
                    expected.insert(Cell::Exchange(workspace, granularity, at, key.clone()), sums);
                }
            }
        }
        for ((workspace, key, _), values) in made.properties {
            for (value, hours) in values.bounded(0, |_| Ok(false))? {
                for (granularity, at, sums) in buckets(&hours) {
                    if is_kept(granularity, at) {
                        let cell = Cell::Property(workspace, key.clone(), granularity, at, value.clone());
                        expected.insert(cell, sums);
                    }
                }
            }
        }
        Ok(expected)
    }

    /// The rows to read, in the order in which their exchanges were closed.
    fn closed(&self) -> Result<Vec<i64>, StoreError> {
        let mut sql = "SELECT closed_sequence, seq FROM exchange AS e \
            WHERE closed_sequence <= ?1 AND created_at >= ?2 AND created_at < ?3"
            .to_owned();
        let (from, to) = (self.day.start().micros(), self.day.plus(1).start().micros());
        let mut values: Vec<Box<dyn rusqlite::ToSql>> =
            vec![Box::new(integer(self.applied.0)), Box::new(from), Box::new(to)];
        if let Scope::Property(workspace, key) = &self.scope {
            sql += " AND seq IN (SELECT exchange FROM property WHERE workspace = ?4 AND key = ?5)";
            values.push(Box::new(blob(workspace.uuid())));
            values.push(Box::new(key.clone()));
        }
        let mut statement = self.rows.prepare_cached(&sql).or_store()?;
        let found =
            statement.query_map(rusqlite::params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)));
        // Sorted here: a sort in SQLite would carry the records along.
        let mut places: Vec<(i64, i64)> = found.or_store()?.collect::<rusqlite::Result<_>>().or_store()?;
        places.sort_unstable();
        Ok(places.into_iter().map(|(_, seq)| seq).collect())
    }

    /// The cells that are kept; `None` for one that cannot be read.
    fn stored(&self) -> Result<HashMap<Cell, Option<Sums>>, StoreError> {
        let (from, to) = (self.day.start().micros(), self.day.plus(1).start().micros());
        let mut stored = HashMap::new();
        for granularity in [Granularity::Hour, Granularity::Day] {
            match &self.scope {
                Scope::Exchanges => {
                    let table = exchange_table(granularity);
                    let sql = format!(
                        "SELECT c.at, c.sums, {KEY_COLUMNS} FROM {table} AS c JOIN rollup_key AS k ON k.id = c.key \
                         WHERE c.workspace = ?1 AND c.at >= ?2 AND c.at < ?3"
                    );
                    let mut statement = self.transaction.prepare_cached(&sql).or_store()?;
                    for workspace in cells::workspaces(self.transaction)? {
                        let values = params![blob(workspace.uuid()), from, to];
                        let mut rows = statement.query(values).or_store()?;
                        while let Some(row) = rows.next().or_store()? {
                            let (at, sums) = time_and_sums(row)?;
                            let key = key_of(names(row).or_store()?);
                            stored.insert(Cell::Exchange(workspace, granularity, at, key), sums);
                        }
                    }
                }
                Scope::Property(workspace, key) => {
                    let table = property_table(granularity);
                    let sql = format!(
                        "SELECT at, sums, is_other, value FROM {table} \
                         WHERE workspace = ?1 AND property = ?2 AND at >= ?3 AND at < ?4"
                    );
                    let mut statement = self.transaction.prepare_cached(&sql).or_store()?;
                    let mut rows =
                        statement.query(params![blob(workspace.uuid()), key, from, to]).or_store()?;
                    while let Some(row) = rows.next().or_store()? {
                        let (at, sums) = time_and_sums(row)?;
                        let value = PropertyValue::read(row.get(2).or_store()?, row.get(3).or_store()?);
                        stored.insert(Cell::Property(*workspace, key.clone(), granularity, at, value), sums);
                    }
                }
            }
        }
        Ok(stored)
    }

    fn clear(&self) -> Result<(), StoreError> {
        let (from, to) = (self.day.start().micros(), self.day.plus(1).start().micros());
        for granularity in [Granularity::Hour, Granularity::Day] {
            match &self.scope {
                Scope::Exchanges => {
                    let table = exchange_table(granularity);
                    let sql = format!("DELETE FROM {table} WHERE workspace = ?1 AND at >= ?2 AND at < ?3");
                    for workspace in cells::workspaces(self.transaction)? {
                        let values = params![blob(workspace.uuid()), from, to];
                        self.transaction.execute(&sql, values).or_store()?;
                    }
                }
                Scope::Property(workspace, key) => {
                    let table = property_table(granularity);
                    let sql = format!(
                        "DELETE FROM {table} WHERE workspace = ?1 AND property = ?2 AND at >= ?3 AND at < ?4"
                    );
                    let values = params![blob(workspace.uuid()), key, from, to];
                    self.transaction.execute(&sql, values).or_store()?;
                }
            }
        }
        Ok(())
    }

    fn put(&self, cell: &Cell, sums: &Sums) -> Result<(), StoreError> {
        match cell {
            Cell::Exchange(workspace, granularity, at, key) => {
                let id = cells::key_id(self.transaction, *workspace, key)?;
                cells::put_exchange(self.transaction, *granularity, *workspace, *at, id, sums)
            }
            Cell::Property(workspace, key, granularity, at, value) => {
                cells::put_property(self.transaction, *granularity, *workspace, key, *at, value, sums)
            }
        }
    }
}

fn time_and_sums(row: &rusqlite::Row<'_>) -> Result<(Timestamp, Option<Sums>), StoreError> {
    let (at, sums): (i64, Vec<u8>) = (row.get(0).or_store()?, row.get(1).or_store()?);
    Ok((Timestamp::from_micros(at), decode(&sums).ok()))
}

fn names(row: &rusqlite::Row<'_>) -> rusqlite::Result<[String; 7]> {
    Ok([row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?])
}

/// The agents that runs began with, each looked up once.
struct FirstAgents<'a> {
    transaction: &'a Transaction<'a>,
    known: HashMap<(WorkspaceId, RunId), Option<String>>,
}

impl<'a> FirstAgents<'a> {
    fn new(transaction: &'a Transaction<'a>) -> Self {
        Self { transaction, known: HashMap::new() }
    }

    fn of(&mut self, record: &ExchangeRecord) -> Result<Option<&str>, StoreError> {
        let Some(run_id) = &record.attribution.run_id else { return Ok(None) };
        let place = (record.workspace_id, run_id.clone());
        if !self.known.contains_key(&place) {
            let run = views::run(self.transaction, record.workspace_id, run_id)?;
            let agent = run.as_ref().and_then(view::first_agent).map(str::to_owned);
            self.known.insert(place.clone(), agent);
        }
        Ok(self.known.get(&place).and_then(Option::as_deref))
    }
}
