//! Reads exchanges: one by its id from its day, lists from day to day.

use std::sync::Arc;

use rungate_core::exchange::{ExchangeFilter, ExchangeRecord};
use rungate_core::id::{ExchangeId, WorkspaceId};
use rungate_core::money::NanoUsd;
use rungate_core::page::{Order, Page, PageRequest, Position};
use rungate_core::ports::{Bodies, Row, StoreError};
use rungate_core::time::{Day, Timestamp};
use rungate_core::trail::{Contents, TrailFilter, TrailRow};
use rusqlite::{Connection, OptionalExtension, params};

use super::super::bind::{DIALECT, blob};
use super::super::error::OrStoreError;
use super::super::file::{self, Access};
use super::super::migrate;
use super::super::pool::Waiting;
use super::days::{Days, Generation, Recent};
use super::{bodies, trail, views};
use crate::block::Location;
use crate::record::{decode_record, partition_of_id, unsigned};
use crate::sql::{Clause, Value, limit, order_by, position_uuid};
use crate::{filter, record};

/// Days that each reader keeps open: an id that says nothing of its day is looked for in every one of them, and opening
/// a file takes some thirty times as long as looking into it.
const OPEN_DAYS: usize = 40;

/// What `ExchangeRecord::charged` says of closed exchanges, added up.
const CHARGED: &str = "coalesce(sum(CASE WHEN e.closed_sequence IS NULL THEN 0 \
     ELSE coalesce(e.cost, CAST(e.record ->> '$.reserved' AS INTEGER), 0) END), 0)";

const COLUMNS: &str = "e.record, e.created_at, e.request_length IS NOT NULL, e.response_length IS NOT NULL";

/// One reader: a connection to `views.db`, and to the days it read last.
pub(crate) struct Reader {
    days: Arc<Days>,
    views: Connection,
    open: Recent<(Generation, Connection)>,
}

/// What an exact search looks for; both have an index in every day.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lookup {
    /// `x-request-id`.
    RequestId,
    /// Id of a stored response.
    ResponseId,
}

impl Reader {
    /// Opens `views.db`.
    pub fn open(days: Arc<Days>) -> Result<Self, StoreError> {
        let views = file::open(&days.views(), migrate::VIEWS, Access::Read)?;
        Ok(Self { days, views, open: Recent::new(OPEN_DAYS) })
    }

    /// The connection to `views.db`.
    pub const fn views(&self) -> &Connection {
        &self.views
    }

    /// One exchange.
    pub fn get(&mut self, workspace: WorkspaceId, id: ExchangeId) -> Result<Option<Row>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM exchange AS e WHERE e.id = ?1 AND e.workspace = ?2");
        for day in self.days_of(id) {
            let found = self.on(day, |connection, has_bodies| {
                let mut statement = connection.prepare_cached(&sql).or_store()?;
                let values = params![blob(id.uuid()), blob(workspace.uuid())];
                let found = statement.query_row(values, Stored::read).optional().or_store()?;
                found.map(|stored| stored.row(has_bodies)).transpose()
            })?;
            if let Some(Some(row)) = found {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The bodies of one exchange.
    pub fn bodies(&mut self, workspace: WorkspaceId, id: ExchangeId) -> Result<Option<Bodies>, StoreError> {
        for day in self.days_of(id) {
            let found = self.on(day, |connection, _| locations(connection, workspace, id))?;
            if let Some(Some(locations)) = found {
                let read = bodies::read(&self.days.bodies(day), locations).inspect_err(|error| {
                    tracing::error!(%day, %id, %error, "bodies cannot be read");
                })?;
                let [request, response] = read.unwrap_or_default();
                return Ok(Some(Bodies { request, response }));
            }
        }
        Ok(None)
    }

    /// The newest exchanges with an id that has an index, at most `limit`, of any day.
    ///
    /// A damaged day is passed over, unless nothing is found and it might have been there.
    pub fn look_up(
        &mut self,
        waiting: &Waiting,
        workspace: WorkspaceId,
        lookup: Lookup,
        value: &str,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let column = match lookup {
            Lookup::RequestId => "request_id",
            Lookup::ResponseId => "response_id",
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM exchange AS e WHERE e.workspace = ?1 AND e.{column} = ?2 \
             ORDER BY e.created_at DESC, e.id DESC LIMIT ?3"
        );
        let mut rows = Vec::new();
        let mut failed = None;
        for day in self.days.listed(None, None, Order::Desc) {
            if rows.len() >= limit {
                break;
            }
            waiting.check()?;
            let room = i64::try_from(limit - rows.len()).unwrap_or(i64::MAX);
            let found = self.on(day, |connection, has_bodies| {
                let mut statement = connection.prepare_cached(&sql).or_store()?;
                let values = params![blob(workspace.uuid()), value, room];
                let found = statement.query_map(values, Stored::read).or_store()?;
                found.map(|stored| stored.or_store()?.row(has_bodies)).collect::<Result<Vec<_>, _>>()
            });
            match found {
                Ok(found) => rows.extend(found.unwrap_or_default()),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if rows.is_empty() => Err(error),
            _ => Ok(rows),
        }
    }

    /// A page of exchanges.
    pub fn find(
        &mut self,
        waiting: &Waiting,
        workspace: WorkspaceId,
        filter: &ExchangeFilter,
        page: &PageRequest,
    ) -> Result<Page<Row>, StoreError> {
        let limit = limit(page);
        let select = Select::page(workspace, filter, page)?;
        let mut rows: Vec<Row> = Vec::new();
        for day in self.matching_days(filter, page.after.as_ref(), page.order) {
            waiting.check()?;
            let sql = select.sql(COLUMNS, &order_by(select.time, "e.id", page.order, limit + 1 - rows.len()));
            let found = self.on(day, |connection, has_bodies| {
                let mut statement = connection.prepare_cached(&sql).or_store()?;
                let found = statement.query_map(select.values(), Stored::read).or_store()?;
                found.map(|stored| stored.or_store()?.row(has_bodies)).collect::<Result<Vec<_>, _>>()
            })?;
            rows.extend(found.unwrap_or_default());
            if rows.len() > limit {
                rows.truncate(limit);
                let next = rows.last().map(|row| Position {
                    at: row.record.created_at.micros(),
                    id: row.record.id.to_string(),
                });
                return Ok(Page { items: rows, next });
            }
        }
        Ok(Page { items: rows, next: None })
    }

    /// A page of trail entries.
    pub fn trail(
        &mut self,
        waiting: &Waiting,
        workspace: WorkspaceId,
        filter: &TrailFilter,
        contents: Contents,
        page: &PageRequest,
    ) -> Result<Page<TrailRow>, StoreError> {
        let limit = limit(page);
        let mut clause = filter::trail(&DIALECT, workspace, filter);
        if let Some(position) = &page.after {
            let id = Value::Uuid(position_uuid(position)?);
            clause.after("t.at", "t.id", position, id, page.order);
        }
        let (mut from, mut to) = (filter.from.map(Timestamp::day), filter.to.map(Timestamp::day));
        if let Some(run_id) = &filter.run_id {
            let Some(run) = views::run(&self.views, workspace, run_id)? else { return Ok(Page::empty()) };
            from = from.max(Some(run.started_at.day()));
            let last = run.last_activity_at.day();
            to = Some(to.map_or(last, |to| to.min(last)));
        }
        let mut rows: Vec<TrailRow> = Vec::new();
        for day in self.days_within(from, to, page.after.as_ref(), page.order) {
            waiting.check()?;
            let order = trail::order(page, limit + 1 - rows.len());
            let columns = crate::trail::columns(contents);
            let found = self.on(day, |connection, _| trail::read(connection, &clause, columns, &order))?;
            rows.extend(found.unwrap_or_default());
            if rows.len() > limit {
                break;
            }
        }
        Ok(crate::trail::page(rows, page))
    }

    /// How many exchanges there are.
    pub fn count(
        &mut self,
        waiting: &Waiting,
        workspace: WorkspaceId,
        filter: &ExchangeFilter,
    ) -> Result<u64, StoreError> {
        let select = Select::all(workspace, filter);
        let sql = select.sql("count(*)", "");
        let mut count = 0;
        for day in self.matching_days(filter, None, Order::Desc) {
            waiting.check()?;
            let found: Option<i64> = self.on(day, |connection, _| {
                let mut statement = connection.prepare_cached(&sql).or_store()?;
                statement.query_row(select.values(), |row| row.get(0)).or_store()
            })?;
            count += found.map_or(0, unsigned);
        }
        Ok(count)
    }

    /// See [`rungate_core::ports::Log::charged`].
    pub fn charged(
        &mut self,
        waiting: &Waiting,
        workspace: WorkspaceId,
        filter: &ExchangeFilter,
    ) -> Result<NanoUsd, StoreError> {
        let select = Select::all(workspace, filter);
        let sql = select.sql(CHARGED, "");
        let mut charged = NanoUsd::ZERO;
        for day in self.matching_days(filter, None, Order::Desc) {
            waiting.check()?;
            let of_day: Option<i64> = self.on(day, |connection, _| {
                let mut statement = connection.prepare_cached(&sql).or_store()?;
                statement.query_row(select.values(), |row| row.get(0)).or_store()
            })?;
            charged += NanoUsd::from_nanos(of_day.unwrap_or(0));
        }
        Ok(charged)
    }

    /// Days that may have exchanges of `filter` from a page's start on.
    fn matching_days(&self, filter: &ExchangeFilter, after: Option<&Position>, order: Order) -> Vec<Day> {
        let (from, to) = (filter.from.map(Timestamp::day), filter.to.map(Timestamp::day));
        let mut days = self.days_within(from, to, after, order);
        let of_ids: Option<Vec<Day>> = filter.ids.iter().map(|id| partition_of_id(*id)).collect();
        if let Some(of_ids) = of_ids.filter(|days| !days.is_empty()) {
            days.retain(|day| of_ids.contains(day));
        }
        days
    }

    /// Days within `from` and `to`, both inclusive, from a page's start on.
    fn days_within(
        &self,
        mut from: Option<Day>,
        mut to: Option<Day>,
        after: Option<&Position>,
        order: Order,
    ) -> Vec<Day> {
        if let Some(after) = after.map(|after| Timestamp::from_micros(after.at).day()) {
            match order {
                Order::Desc => to = Some(to.map_or(after, |to| to.min(after))),
                Order::Asc => from = Some(from.map_or(after, |from| from.max(after))),
            }
        }
        self.days.listed(from, to, order)
    }

    /// The days an exchange may lie in: its own, or any when its id does not say.
    fn days_of(&self, id: ExchangeId) -> Vec<Day> {
        partition_of_id(id).map_or_else(|| self.days.listed(None, None, Order::Desc), |day| vec![day])
    }

    /// Runs a query on the rows of a day, told whether its bodies are there; `None` when the day is not.
    fn on<T>(
        &mut self,
        day: Day,
        query: impl FnOnce(&Connection, bool) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let opened = self.open_day(day).and_then(|is_open| {
            let Some((generation, connection)) = is_open else { return Ok(None) };
            let result = query(&connection, self.days.has_bodies(day));
            if result.is_ok() {
                self.open.put(day, (generation, connection));
            }
            result.map(Some)
        });
        opened.map_err(|error| damaged(&self.days, day, error))
    }

    fn open_day(&mut self, day: Day) -> Result<Option<(Generation, Connection)>, StoreError> {
        let current = self.days.generation(day);
        match self.open.take(day) {
            Some(open) if current == Some(open.0) => Ok(Some(open)),
            _ => self.days.open_reader(day),
        }
    }
}

/// Damage of one day is no damage of the log: for its readers the day is unavailable.
fn damaged(days: &Days, day: Day, error: StoreError) -> StoreError {
    match file::name(&days.rows(day), error) {
        StoreError::Corrupt(reason) => {
            tracing::error!(%day, reason, "the rows of a day are damaged");
            StoreError::Unavailable(reason)
        }
        error @ StoreError::Unavailable(_) => error,
    }
}

fn locations(
    connection: &Connection,
    workspace: WorkspaceId,
    id: ExchangeId,
) -> Result<Option<[Option<Location>; 2]>, StoreError> {
    let mut statement = connection
        .prepare_cached(
            "SELECT request_block, request_offset, request_length, request_flags, response_block, response_offset, \
             response_length, response_flags FROM exchange WHERE id = ?1 AND workspace = ?2",
        )
        .or_store()?;
    let location = |row: &rusqlite::Row<'_>, first: usize| -> rusqlite::Result<Option<Location>> {
        let Some(block) = row.get(first)? else { return Ok(None) };
        let (offset, length, flags) = (row.get(first + 1)?, row.get(first + 2)?, row.get(first + 3)?);
        Ok(Some(Location { block, offset, length, flags }))
    };
    let values = params![blob(id.uuid()), blob(workspace.uuid())];
    statement.query_row(values, |row| Ok([location(row, 0)?, location(row, 4)?])).optional().or_store()
}

/// A query over the exchanges of a day, led by their times or by a property.
struct Select {
    source: String,
    clause: Clause,
    time: &'static str,
}

impl Select {
    fn all(workspace: WorkspaceId, filter: &ExchangeFilter) -> Self {
        let mut clause = filter::exchanges(&DIALECT, workspace, filter);
        match filter::leading_property(filter) {
            None => Self { source: "exchange AS e".to_owned(), clause, time: "e.created_at" },
            Some((key, value)) => {
                let (workspace, key, value) =
                    (clause.bind(workspace.uuid()), clause.bind(key), clause.bind(value));
                clause.and(&format!("l.workspace = {workspace} AND l.key = {key} AND l.value = {value}"));
                // A cross join keeps this order of the tables, and so the order of the property's times.
                let source = "property AS l CROSS JOIN exchange AS e ON e.seq = l.exchange".to_owned();
                let time = "l.created_at";
                let bounds = [(filter.from, ">="), (filter.to, "<")];
                for (at, operator) in bounds.into_iter().filter_map(|(at, operator)| Some((at?, operator))) {
                    clause.compare(time, operator, at.micros());
                }
                Self { source, clause, time }
            }
        }
    }

    fn page(workspace: WorkspaceId, filter: &ExchangeFilter, page: &PageRequest) -> Result<Self, StoreError> {
        let mut select = Self::all(workspace, filter);
        if let Some(position) = &page.after {
            let id = Value::Uuid(position_uuid(position)?);
            select.clause.after(select.time, "e.id", position, id, page.order);
        }
        Ok(select)
    }

    fn sql(&self, columns: &str, order: &str) -> String {
        format!("SELECT {columns} FROM {} WHERE {} {order}", self.source, self.clause.text())
    }

    fn values(&self) -> impl rusqlite::Params + '_ {
        rusqlite::params_from_iter(self.clause.values())
    }
}

/// The query of a page, to look at its plan.
#[cfg(test)]
pub(crate) fn page_query(
    workspace: WorkspaceId,
    filter: &ExchangeFilter,
    page: &PageRequest,
) -> Result<(String, Vec<Value>), StoreError> {
    let select = Select::page(workspace, filter, page)?;
    let sql = select.sql(COLUMNS, &order_by(select.time, "e.id", page.order, limit(page)));
    Ok((sql, select.clause.values().to_vec()))
}

/// The columns of a row as they are kept.
struct Stored {
    record: String,
    created_at: i64,
    has_request: bool,
    has_response: bool,
}

impl Stored {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            record: row.get(0)?,
            created_at: row.get(1)?,
            has_request: row.get(2)?,
            has_response: row.get(3)?,
        })
    }

    fn row(self, has_bodies: bool) -> Result<Row, StoreError> {
        Ok(Row {
            record: decode_record(&self.record, self.created_at)?,
            has_request_body: self.has_request && has_bodies,
            has_response_body: self.has_response && has_bodies,
        })
    }
}

/// Every open exchange, oldest id first.
pub(crate) fn pending(connection: &Connection) -> Result<Vec<ExchangeRecord>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT record, created_at FROM pending ORDER BY id").or_store()?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
    let rows = statement.query_map([], read).or_store()?;
    rows.map(|row| row.or_store().and_then(|(json, at)| record::decode_record(&json, at))).collect()
}
