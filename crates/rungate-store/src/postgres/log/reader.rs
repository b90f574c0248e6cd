//! Reads exchanges: one by its id from its day, lists from span to span of days.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::GenericClient as _;
use rungate_core::exchange::{ExchangeFilter, ExchangeRecord};
use rungate_core::id::{ExchangeId, WorkspaceId};
use rungate_core::money::NanoUsd;
use rungate_core::page::{Order, Page, PageRequest, Position};
use rungate_core::ports::{Bodies, Row, StoreError};
use rungate_core::time::{Day, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::super::bind::{DIALECT, indexed, typed_parameters};
use super::super::error::{self, OrStoreError, column};
use super::super::pool::{Connection, Lent, Pool};
use super::bodies;
use super::days::{Days, OPEN, Span, day_of, day_of_id};
use super::rows;
use crate::filter;
use crate::record::{decode_record, unsigned};
use crate::sql::{Clause, Value, limit, order_by, position_uuid};

/// What `ExchangeRecord::charged` says of closed exchanges, added up.
const CHARGED: &str = "coalesce(sum(CASE WHEN e.closed_sequence IS NULL THEN 0 \
     ELSE coalesce(e.cost, (e.record::json ->> 'reserved')::bigint, 0) END), 0)::bigint";

const COLUMNS: &str = "e.record, e.created_at, e.request_length IS NOT NULL, e.response_length IS NOT NULL";

/// What is looked at beyond the times of a run.
const A_DAY: Duration = Duration::from_hours(24);

/// Connections that searches may hold, of those that readers have; the rest stays free for look-ups.
pub(crate) const SEARCHES: usize = 3;

/// Reads exchanges.
pub(crate) struct Reader {
    pool: Pool,
    searches: Semaphore,
}

/// What an exact search looks for; both have an index in every day.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lookup {
    /// `x-request-id`.
    RequestId,
    /// Id of a stored response.
    ResponseId,
}

impl Lookup {
    const fn column(self) -> &'static str {
        match self {
            Self::RequestId => "e.request_id",
            Self::ResponseId => "e.response_id",
        }
    }
}

/// Up to so many days are looked up at once by a statement that stays planned: planning takes ten times as long as looking.
/// It locks every partition and an index of each, of which a server has room for some thousands.
const AT_ONCE: usize = 200;

/// A connection in use by a query that may take long. When nobody waits for the query any longer it is closed, which ends
/// the query on the server too.
pub(crate) struct Search<'a> {
    lent: Lent,
    _permit: SemaphorePermit<'a>,
}

impl Search<'_> {
    /// The connection.
    pub fn connection(&self) -> Result<&Connection, StoreError> {
        self.lent.connection()
    }

    /// Gives the connection back: its last query has been answered.
    pub fn finish(self) {
        self.lent.give_back();
    }
}

impl Reader {
    /// Over these connections.
    pub fn new(pool: Pool) -> Self {
        Self { pool, searches: Semaphore::new(SEARCHES) }
    }

    /// A connection for a short query.
    pub async fn connection(&self) -> Result<Connection, StoreError> {
        self.pool.get().await
    }

    /// Gives out no more connections.
    pub fn close(&self) {
        self.searches.close();
        self.pool.close();
    }

    /// A connection for a query that may take long, after a wait for its turn.
    pub async fn search(&self) -> Result<Search<'_>, StoreError> {
        let permit = self.searches.acquire().await.map_err(|_| error::closed())?;
        Ok(Search { lent: self.pool.lend().await?, _permit: permit })
    }

    /// Every open exchange of a node, oldest id first.
    pub async fn pending(&self, node: &Arc<str>) -> Result<Vec<ExchangeRecord>, StoreError> {
        let sql =
            format!("SELECT record, created_at FROM exchange WHERE day = {OPEN} AND node = $1 ORDER BY id");
        let rows = self.connection().await?.query(&sql, &[&&**node]).await.or_store()?;
        rows.iter().map(|row| decode_record(column(row, 0)?, column(row, 1)?)).collect()
    }

    /// One exchange.
    pub async fn get(&self, workspace: WorkspaceId, id: ExchangeId) -> Result<Option<Row>, StoreError> {
        let connection = self.connection().await?;
        let sql = by_id(id, COLUMNS);
        let values = [Value::Uuid(id.uuid()), Value::Uuid(workspace.uuid())];
        let parameters = typed_parameters(&values);
        let query = async { connection.query_typed(&sql, &parameters).await.or_store() };
        let (days, rows) = tokio::try_join!(Days::read(&connection), query)?;
        rows.first().map(|row| read(row, &days)).transpose()
    }

    /// The bodies of one exchange.
    pub async fn bodies(&self, workspace: WorkspaceId, id: ExchangeId) -> Result<Option<Bodies>, StoreError> {
        let connection = self.connection().await?;
        let columns = "e.record, e.created_at, e.request_block, e.request_offset, e.request_length, e.request_flags, \
                       e.response_block, e.response_offset, e.response_length, e.response_flags";
        let values = [Value::Uuid(id.uuid()), Value::Uuid(workspace.uuid())];
        let found =
            connection.query_typed(&by_id(id, columns), &typed_parameters(&values)).await.or_store()?;
        let Some(row) = found.first() else { return Ok(None) };
        let locations = [rows::location(row, 2)?, rows::location(row, 6)?];
        if locations == [None, None] {
            return Ok(Some(Bodies::default()));
        }
        let day = match day_of_id(id) {
            Some(day) => day,
            None => day_of(&decode_record(column(row, 0)?, column(row, 1)?)?),
        };
        let [request, response] = bodies::read(&connection, day, locations).await.inspect_err(|error| {
            tracing::error!(%day, %id, %error, "bodies cannot be read");
        })?;
        Ok(Some(Bodies { request, response }))
    }

    /// The newest exchanges with an id that has an index, at most `limit`, of any day.
    pub async fn look_up(
        &self,
        workspace: WorkspaceId,
        lookup: Lookup,
        value: &str,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let connection = self.connection().await?;
        let days = Days::read(&connection).await?;
        if days.with_rows().count() > AT_ONCE {
            return walk(&connection, &days, workspace, lookup, value, limit).await;
        }
        let column = lookup.column();
        let order = order_by("e.created_at", "e.id", Order::Desc, limit);
        let sql =
            format!("SELECT {COLUMNS} FROM exchange AS e WHERE e.workspace = $1 AND {column} = $2 {order}");
        let statement = connection.prepare_cached(&sql).await.or_store()?;
        let rows = connection.query(&statement, &[&workspace.uuid(), &indexed(value)]).await.or_store()?;
        rows.iter().map(|row| read(row, &days)).collect()
    }

    /// A page of exchanges.
    pub async fn find(
        &self,
        workspace: WorkspaceId,
        filter: &ExchangeFilter,
        page: &PageRequest,
    ) -> Result<Page<Row>, StoreError> {
        let limit = limit(page);
        let select = Select::page(workspace, filter, page)?;
        let search = self.search().await?;
        let connection = search.connection()?;
        let days = Days::read(connection).await?;
        let mut items: Vec<Row> = Vec::new();
        let within = lifetime(connection, workspace, filter).await?;
        for span in spans(&days, within.as_ref().unwrap_or(filter), page.after.as_ref(), page.order) {
            let order = order_by(select.time, select.id, page.order, limit + 1 - items.len());
            for row in select.query(connection, &span, COLUMNS, &order).await? {
                items.push(read(&row, &days)?);
            }
            if items.len() > limit {
                break;
            }
        }
        search.finish();
        let more = items.len() > limit;
        items.truncate(limit);
        let position =
            |row: &Row| Position { at: row.record.created_at.micros(), id: row.record.id.to_string() };
        let next = items.last().filter(|_| more).map(position);
        Ok(Page { items, next })
    }

    /// How many exchanges there are.
    pub async fn count(&self, workspace: WorkspaceId, filter: &ExchangeFilter) -> Result<u64, StoreError> {
        let select = Select::all(workspace, filter);
        let search = self.search().await?;
        let connection = search.connection()?;
        let days = Days::read(connection).await?;
        let mut count = 0;
        for span in spans(&days, filter, None, Order::Desc) {
            for row in select.query(connection, &span, "count(*)", "").await? {
                count += unsigned(column(&row, 0)?);
            }
        }
        search.finish();
        Ok(count)
    }

    /// See [`rungate_core::ports::Log::charged`].
    pub async fn charged(
        &self,
        workspace: WorkspaceId,
        filter: &ExchangeFilter,
    ) -> Result<NanoUsd, StoreError> {
        let select = Select::all(workspace, filter);
        let search = self.search().await?;
        let connection = search.connection()?;
        let days = Days::read(connection).await?;
        let mut charged = NanoUsd::ZERO;
        for span in spans(&days, filter, None, Order::Desc) {
            for row in select.query(connection, &span, CHARGED, "").await? {
                charged += NanoUsd::from_nanos(column(&row, 0)?);
            }
        }
        search.finish();
        Ok(charged)
    }
}

/// Looks up from span to span.
pub(crate) async fn walk(
    connection: &Connection,
    days: &Days,
    workspace: WorkspaceId,
    lookup: Lookup,
    value: &str,
    limit: usize,
) -> Result<Vec<Row>, StoreError> {
    let mut clause = Clause::new(&DIALECT);
    clause.compare("e.workspace", "=", workspace.uuid());
    clause.compare(lookup.column(), "=", value);
    let select = Select::of(clause);
    let mut rows = Vec::new();
    for span in days.spans(None, None, Order::Desc) {
        if rows.len() >= limit {
            break;
        }
        let order = order_by(select.time, select.id, Order::Desc, limit - rows.len());
        for row in &select.query(connection, &span, COLUMNS, &order).await? {
            rows.push(read(row, days)?);
        }
    }
    Ok(rows)
}

/// The query of one exchange: `$1` is its id, `$2` its workspace.
fn by_id(id: ExchangeId, columns: &str) -> String {
    let with = day_of_id(id).map(|day| Span::of(day).with()).unwrap_or_default();
    format!("{with}SELECT {columns} FROM exchange AS e WHERE e.id = $1 AND e.workspace = $2")
}

/// The same filter with the time that its one run or session lasted, give or take a day: only its days are looked into. `None` where
/// it names none, or nobody knows of it.
async fn lifetime(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &ExchangeFilter,
) -> Result<Option<ExchangeFilter>, StoreError> {
    let (sql, id) = match (&filter.run_ids[..], &filter.session_ids[..]) {
        ([run], _) => {
            ("SELECT started_at, last_at FROM run WHERE workspace = $1 AND run_id = $2", run.as_str())
        }
        (_, [session]) => (
            "SELECT started_at, last_at FROM session WHERE workspace = $1 AND session_id = $2",
            session.as_str(),
        ),
        _ => return Ok(None),
    };
    let statement = connection.prepare_cached(sql).await.or_store()?;
    let found = connection.query_opt(&statement, &[&workspace.uuid(), &indexed(id)]).await.or_store()?;
    let Some(row) = found else { return Ok(None) };
    let began = Timestamp::from_micros(column(&row, 0)?).minus(A_DAY);
    let ended = Timestamp::from_micros(column(&row, 1)?).plus(A_DAY);
    let from = Some(filter.from.map_or(began, |from| from.max(began)));
    let to = Some(filter.to.map_or(ended, |to| to.min(ended)));
    Ok(Some(ExchangeFilter { from, to, ..filter.clone() }))
}

/// Days that may have exchanges of `filter` from a page's start on.
fn spans(days: &Days, filter: &ExchangeFilter, after: Option<&Position>, order: Order) -> Vec<Span> {
    let mut from = filter.from.map(Timestamp::day);
    let mut to = filter.to.map(Timestamp::day);
    if let Some(after) = after.map(|after| Timestamp::from_micros(after.at).day()) {
        match order {
            Order::Desc => to = Some(to.map_or(after, |to| to.min(after))),
            Order::Asc => from = Some(from.map_or(after, |from| from.max(after))),
        }
    }
    let of_ids: Option<Vec<Day>> = filter.ids.iter().map(|id| day_of_id(*id)).collect();
    if let Some((first, last)) = of_ids.as_ref().and_then(|days| days.iter().min().zip(days.iter().max())) {
        from = from.max(Some(*first));
        to = Some(to.map_or(*last, |to| to.min(*last)));
    }
    days.spans(from, to, order)
}

/// A query over exchanges, led by their times or by a property.
struct Select {
    source: &'static str,
    clause: Clause,
    time: &'static str,
    id: &'static str,
}

impl Select {
    const fn of(clause: Clause) -> Self {
        Self { source: "exchange AS e", clause, time: "e.created_at", id: "e.id" }
    }

    fn all(workspace: WorkspaceId, filter: &ExchangeFilter) -> Self {
        let mut clause = filter::exchanges(&DIALECT, workspace, filter);
        let Some((key, value)) = filter::leading_property(filter) else { return Self::of(clause) };
        let (workspace, key, value) = (clause.bind(workspace.uuid()), clause.bind(key), clause.bind(value));
        clause.and(&format!("l.workspace = {workspace} AND l.key = {key} AND l.value = {value}"));
        let time = "l.created_at";
        let bounds = [(filter.from, ">="), (filter.to, "<")];
        for (at, operator) in bounds.into_iter().filter_map(|(at, operator)| Some((at?, operator))) {
            clause.compare(time, operator, at.micros());
        }
        // What cannot be pulled up keeps this order of the tables, and so the order of the property's times. An exchange is
        // either in its day or open; the few open ones are asked for what no day has.
        let source = "property AS l CROSS JOIN LATERAL (\
                      SELECT * FROM exchange AS of WHERE of.id = l.exchange AND of.day = l.day \
                      UNION ALL SELECT * FROM exchange_open AS of WHERE of.id = l.exchange AND of.day = -1 LIMIT 1) AS e";
        Self { source, clause, time, id: "l.exchange" }
    }

    fn page(workspace: WorkspaceId, filter: &ExchangeFilter, page: &PageRequest) -> Result<Self, StoreError> {
        let mut select = Self::all(workspace, filter);
        if let Some(position) = &page.after {
            let id = Value::Uuid(position_uuid(position)?);
            select.clause.after(select.time, select.id, position, id, page.order);
        }
        Ok(select)
    }

    fn sql(&self, span: &Span, columns: &str, order: &str) -> String {
        let (with, source, conditions) = (span.with(), self.source, self.clause.text());
        format!("{with}SELECT {columns} FROM {source} WHERE {conditions} {order}")
    }

    /// Planned for its values and days: only their partitions are looked at and locked.
    async fn query(
        &self,
        connection: &Connection,
        span: &Span,
        columns: &str,
        order: &str,
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        let sql = self.sql(span, columns, order);
        connection.query_typed(&sql, &typed_parameters(self.clause.values())).await.or_store()
    }
}

/// The query of a page, to look at its plan.
#[cfg(test)]
pub(crate) fn page_query(
    workspace: WorkspaceId,
    filter: &ExchangeFilter,
    page: &PageRequest,
    span: &Span,
) -> Result<(String, Vec<Value>), StoreError> {
    let select = Select::page(workspace, filter, page)?;
    let sql = select.sql(span, COLUMNS, &order_by(select.time, select.id, page.order, limit(page)));
    Ok((sql, select.clause.values().to_vec()))
}

/// Reads [`COLUMNS`].
fn read(row: &tokio_postgres::Row, days: &Days) -> Result<Row, StoreError> {
    let record = decode_record(column(row, 0)?, column(row, 1)?)?;
    let has_bodies = days.has_bodies(day_of(&record));
    Ok(Row {
        record,
        has_request_body: column::<bool>(row, 2)? && has_bodies,
        has_response_body: column::<bool>(row, 3)? && has_bodies,
    })
}
