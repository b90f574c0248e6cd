//! Makes the cells of one day anew from its rows.
//!
//! An exchange's day of rows is the day of its cells, too: both are those of its start.

use std::collections::{BTreeSet, HashMap};

use deadpool_postgres::Transaction;
use rungate_core::exchange::{ExchangeRecord, MAX_ROLLUP_VALUES, RebuildMode, Rebuilt, Sums};
use rungate_core::id::{RunId, WorkspaceId};
use rungate_core::ports::StoreError;
use rungate_core::time::{Day, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::super::bind::indexed;
use super::super::error::{OrStoreError, column};
use super::super::pool::Connection;
use super::cells::{self, GRANULARITIES, Known, Tables};
use super::views::parameters;
use crate::record::{decode_record, decode_run};
use crate::rollup::{Cells, decode, exchange_table, property_table};
use crate::view;

/// Rows that are read at a time.
const ROWS: i32 = 500;

/// Which cells; each is one pass over rows, so that the values of one property at a time are in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of exchanges, of every workspace.
    Exchanges,
    /// Those of one property key.
    Property(WorkspaceId, String),
}

/// Compares the cells of a day with its rows and mends them if asked to; one scope alone, or all that there are.
pub(crate) async fn rebuild(
    connection: &mut Connection,
    day: Day,
    mode: RebuildMode,
    only: Option<Scope>,
) -> Result<Rebuilt, StoreError> {
    let transaction = connection.transaction().await.or_store()?;
    // A day of a million rows takes longer than anything else does.
    transaction
        .batch_execute("SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '60s'")
        .await
        .or_store()?;
    transaction.batch_execute(cells::EXCLUDE).await.or_store()?;
    let kept = transaction
        .query_opt("SELECT 1 FROM day WHERE day = $1 AND rows AND NOT is_thinned", &[&day.days()])
        .await;
    if kept.or_store()?.is_none() {
        return Ok(Rebuilt::default());
    }
    let mut scopes = vec![Scope::Exchanges];
    let rolled_up = "SELECT workspace, property FROM rollup_property ORDER BY 1, 2";
    for row in transaction.query(rolled_up, &[]).await.or_store()? {
        scopes.push(Scope::Property(WorkspaceId::new(column(&row, 0)?), column(&row, 1)?));
    }
    if let Some(only) = only {
        // It may have been taken back meanwhile.
        scopes.retain(|scope| *scope == only);
    }
    let mut rebuilt = Rebuilt::default();
    for scope in scopes {
        Pass { transaction: &transaction, day, scope }.run(mode, &mut rebuilt).await?;
    }
    transaction.commit().await.or_store()?;
    Ok(rebuilt)
}

/// One scope of one day.
struct Pass<'a> {
    transaction: &'a Transaction<'a>,
    day: Day,
    scope: Scope,
}

/// The cells that are kept; `None` for one that cannot be read.
type Stored<K> = HashMap<K, Option<Sums>>;

impl Pass<'_> {
    async fn run(&self, mode: RebuildMode, rebuilt: &mut Rebuilt) -> Result<(), StoreError> {
        let expected = self.expected(rebuilt).await?;
        let mut differed = 0;
        for (place, granularity) in GRANULARITIES.into_iter().enumerate() {
            let (from, to) = (self.day.start().micros(), self.day.plus(1).start().micros());
            match &self.scope {
                Scope::Exchanges => {
                    let table = exchange_table(granularity);
                    let sql =
                        format!("SELECT workspace, at, key, sums FROM {table} WHERE at >= $1 AND at < $2");
                    let mut stored = Stored::new();
                    for row in self.transaction.query(&sql, &[&from, &to]).await.or_store()? {
                        let workspace = WorkspaceId::new(column(&row, 0)?);
                        let cell: (_, i64, Uuid) = (workspace, column(&row, 1)?, column(&row, 2)?);
                        stored.insert(cell, decode(column(&row, 3)?).ok());
                    }
                    differed += differences(expected.exchanges[place].iter(), &stored);
                }
                Scope::Property(workspace, key) => {
                    let table = property_table(granularity);
                    let sql = format!(
                        "SELECT property, at, is_other, value, sums FROM {table} \
                         WHERE workspace = $1 AND property = $2 AND at >= $3 AND at < $4"
                    );
                    let values: [&(dyn ToSql + Sync); 4] = [&workspace.uuid(), &indexed(key), &from, &to];
                    let mut stored = Stored::new();
                    for row in self.transaction.query(&sql, &values).await.or_store()? {
                        let cell: (_, String, i64, i64, String) = (
                            *workspace,
                            column(&row, 0)?,
                            column(&row, 1)?,
                            column(&row, 2)?,
                            column(&row, 3)?,
                        );
                        stored.insert(cell, decode(column(&row, 4)?).ok());
                    }
                    differed += differences(expected.properties[place].iter(), &stored);
                }
            }
            rebuilt.cells += (expected.exchanges[place].len() + expected.properties[place].len()) as u64;
        }
        rebuilt.differed += differed;
        if mode == RebuildMode::Mend && differed > 0 {
            self.clear().await?;
            for write in expected.insert().iter().filter(|write| !write.is_empty()) {
                self.transaction.execute(&*write.sql, &parameters(&write.arrays)).await.or_store()?;
            }
        }
        Ok(())
    }

    /// The cells that the rows make.
    async fn expected(&self, rebuilt: &mut Rebuilt) -> Result<Tables, StoreError> {
        let (from, to) = (self.day.start().micros(), self.day.plus(1).start().micros());
        let day = self.day.days();
        let mut sql =
            "SELECT record, created_at FROM exchange WHERE day = $1 AND created_at >= $2 AND created_at < $3"
                .to_owned();
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&day, &from, &to];
        let property = match &self.scope {
            Scope::Exchanges => None,
            Scope::Property(workspace, key) => Some((workspace.uuid(), indexed(key))),
        };
        if let Some((workspace, key)) = &property {
            // Those closed first decide which values are told apart.
            sql += " AND id IN (SELECT exchange FROM property WHERE day = $1 AND workspace = $4 AND key = $5) \
                    ORDER BY node, closed_sequence";
            values.extend([workspace as &(dyn ToSql + Sync), key]);
        }
        let statement = self.transaction.prepare(&sql).await.or_store()?;
        let portal = self.transaction.bind(&statement, &values).await.or_store()?;
        let mut made = Cells::default();
        let mut first_agents = FirstAgents { transaction: self.transaction, known: HashMap::new() };
        loop {
            let rows = self.transaction.query_portal(&portal, ROWS).await.or_store()?;
            if rows.is_empty() {
                break;
            }
            let read = |row: &Row| decode_record(column(row, 0)?, column(row, 1)?);
            let records = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
            match &self.scope {
                Scope::Exchanges => {
                    first_agents.read(&records).await?;
                    for record in &records {
                        made.add(record, first_agents.of(record));
                    }
                    rebuilt.exchanges += records.len() as u64;
                }
                Scope::Property(_, key) => {
                    for record in &records {
                        made.add_property(record, key, MAX_ROLLUP_VALUES);
                    }
                }
            }
        }
        let since = self.transaction.query_one(cells::HOURS_SINCE, &[]).await.or_store()?;
        Tables::of(made, &Known::default(), Timestamp::from_micros(column(&since, 0)?))
    }

    async fn clear(&self) -> Result<(), StoreError> {
        let (from, to) = (self.day.start().micros(), self.day.plus(1).start().micros());
        for granularity in GRANULARITIES {
            match &self.scope {
                Scope::Exchanges => {
                    let sql =
                        format!("DELETE FROM {} WHERE at >= $1 AND at < $2", exchange_table(granularity));
                    self.transaction.execute(&sql, &[&from, &to]).await.or_store()?;
                }
                Scope::Property(workspace, key) => {
                    let sql = format!(
                        "DELETE FROM {} WHERE workspace = $1 AND property = $2 AND at >= $3 AND at < $4",
                        property_table(granularity)
                    );
                    let values: [&(dyn ToSql + Sync); 4] = [&workspace.uuid(), &indexed(key), &from, &to];
                    self.transaction.execute(&sql, &values).await.or_store()?;
                }
            }
        }
        Ok(())
    }
}

/// How many cells are missing, wrong or too many.
fn differences<'a, K: Eq + std::hash::Hash + 'a>(
    expected: impl ExactSizeIterator<Item = (&'a K, &'a Sums)>,
    stored: &Stored<K>,
) -> u64 {
    let (mut wrong, mut found) = (0, 0);
    for (cell, sums) in expected {
        match stored.get(cell) {
            None => wrong += 1,
            Some(stored) => {
                found += 1;
                wrong += u64::from(*stored != Some(*sums));
            }
        }
    }
    wrong + stored.len() as u64 - found
}

/// The agents that runs began with, each looked up once.
struct FirstAgents<'a> {
    transaction: &'a Transaction<'a>,
    known: HashMap<(WorkspaceId, RunId), Option<String>>,
}

impl FirstAgents<'_> {
    /// Looks up those of `records` that are not known yet.
    async fn read(&mut self, records: &[ExchangeRecord]) -> Result<(), StoreError> {
        let name = |record: &ExchangeRecord| Some((record.workspace_id, record.attribution.run_id.clone()?));
        let new: BTreeSet<(WorkspaceId, RunId)> =
            records.iter().filter_map(name).filter(|name| !self.known.contains_key(name)).collect();
        let workspaces: Vec<Uuid> = new.iter().map(|(workspace, _)| workspace.uuid()).collect();
        let names: Vec<&str> = new.iter().map(|(_, run)| run.as_str()).collect();
        let sql = "SELECT r.record, r.started_at, r.last_at FROM run AS r \
                   JOIN unnest($1::uuid[], $2::text[]) AS n (workspace, run_id) USING (workspace, run_id)";
        let statement = self.transaction.prepare_cached(sql).await.or_store()?;
        for row in self.transaction.query(&statement, &[&workspaces, &names]).await.or_store()? {
            let run = decode_run(column(&row, 0)?, column(&row, 1)?, column(&row, 2)?)?;
            let agent = view::first_agent(&run).map(str::to_owned);
            self.known.insert((run.workspace_id, run.run_id), agent);
        }
        for name in new {
            self.known.entry(name).or_default();
        }
        Ok(())
    }

    fn of(&self, record: &ExchangeRecord) -> Option<&str> {
        let name = (record.workspace_id, record.attribution.run_id.clone()?);
        self.known.get(&name)?.as_deref()
    }
}
