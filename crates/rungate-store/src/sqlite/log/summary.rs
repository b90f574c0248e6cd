//! Reads runs, sessions and sums from `views.db`.

use std::collections::HashMap;

use rungate_core::exchange::{Dimension, Run, RunFilter, Session, SessionFilter, Totals};
use rungate_core::id::WorkspaceId;
use rungate_core::page::{Page, PageRequest, Position};
use rungate_core::ports::StoreError;
use rungate_core::time::Day;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::super::bind::{DIALECT, blob};
use super::super::error::OrStoreError;
use super::views::{self, Kept, TOTALS};
use crate::filter;
use crate::sql::{Clause, Value, limit, order_by};

/// One run by our id.
pub(crate) fn run_by_uuid(
    connection: &Connection,
    workspace: WorkspaceId,
    id: Uuid,
) -> Result<Option<Run>, StoreError> {
    let sql = "SELECT record, started_at, last_at FROM run WHERE id = ?1 AND workspace = ?2";
    let mut statement = connection.prepare_cached(sql).or_store()?;
    let values = params![blob(id), blob(workspace.uuid())];
    statement.query_row(values, Kept::read).optional().or_store()?.map(Kept::run).transpose()
}

/// A page of runs by last activity.
pub(crate) fn runs(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &RunFilter,
    page: &PageRequest,
) -> Result<Page<Run>, StoreError> {
    let clause = filter::runs(&DIALECT, workspace, filter);
    let items = list(
        connection,
        "run AS r",
        ["r.record, r.started_at, r.last_at", "r.last_at", "r.run_id"],
        clause,
        page,
    )?;
    let runs = items.into_iter().map(Kept::run).collect::<Result<Vec<_>, _>>()?;
    Ok(cut(runs, page, |run| (run.last_activity_at.micros(), run.run_id.to_string())))
}

/// A page of sessions by last activity.
pub(crate) fn sessions(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &SessionFilter,
    page: &PageRequest,
) -> Result<Page<Session>, StoreError> {
    let clause = filter::sessions(&DIALECT, workspace, filter);
    let columns = ["s.record, s.started_at, s.last_at", "s.last_at", "s.session_id"];
    let items = list(connection, "session AS s", columns, clause, page)?;
    let sessions = items.into_iter().map(Kept::session).collect::<Result<Vec<_>, _>>()?;
    Ok(cut(sessions, page, |session| (session.last_at.micros(), session.session_id.to_string())))
}

/// One item more than the page has room for, so that [`cut`] knows whether there are more.
fn list(
    connection: &Connection,
    source: &str,
    [columns, time, id]: [&str; 3],
    mut clause: Clause,
    page: &PageRequest,
) -> Result<Vec<Kept>, StoreError> {
    if let Some(position) = &page.after {
        clause.after(time, id, position, Value::Text(position.id.clone()), page.order);
    }
    let order = order_by(time, id, page.order, limit(page) + 1);
    let sql = format!("SELECT {columns} FROM {source} WHERE {} {order}", clause.text());
    let mut statement = connection.prepare_cached(&sql).or_store()?;
    let rows = statement.query_map(rusqlite::params_from_iter(clause.values()), Kept::read).or_store()?;
    rows.collect::<rusqlite::Result<_>>().or_store()
}

fn cut<T>(mut items: Vec<T>, page: &PageRequest, position: impl Fn(&T) -> (i64, String)) -> Page<T> {
    let limit = limit(page);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| {
        let (at, id) = position(last);
        Position { at, id }
    });
    Page { items, next }
}

/// Sums per entity, most expensive first.
pub(crate) fn totals(
    connection: &Connection,
    workspace: WorkspaceId,
    dimension: Dimension,
    from: Day,
    to: Day,
) -> Result<Vec<(String, Totals)>, StoreError> {
    let sql = format!(
        "SELECT {TOTALS}, entity FROM rollup \
         WHERE workspace = ?1 AND dimension = ?2 AND day BETWEEN ?3 AND ?4"
    );
    let mut statement = connection.prepare_cached(&sql).or_store()?;
    let values = params![blob(workspace.uuid()), dimension.as_str(), from.days(), to.days()];
    let mut rows = statement.query(values).or_store()?;
    let mut sums: HashMap<String, Totals> = HashMap::new();
    while let Some(row) = rows.next().or_store()? {
        let entity: String = row.get(7).or_store()?;
        sums.entry(entity).or_default().merge(&views::totals(row, 0).or_store()?);
    }
    let mut sums: Vec<(String, Totals)> = sums.into_iter().collect();
    sums.sort_by(|(name, totals), (other_name, other)| {
        other
            .cost
            .cmp(&totals.cost)
            .then_with(|| other.requests.cmp(&totals.requests))
            .then_with(|| name.cmp(other_name))
    });
    Ok(sums)
}

/// Sums of one entity.
pub(crate) fn entity_totals(
    connection: &Connection,
    workspace: WorkspaceId,
    dimension: Dimension,
    entity: &str,
    from: Day,
    to: Day,
) -> Result<Totals, StoreError> {
    let sql = format!(
        "SELECT {TOTALS} FROM rollup INDEXED BY rollup_by_entity \
         WHERE workspace = ?1 AND dimension = ?2 AND entity = ?3 AND day BETWEEN ?4 AND ?5"
    );
    let mut statement = connection.prepare_cached(&sql).or_store()?;
    let values = params![blob(workspace.uuid()), dimension.as_str(), entity, from.days(), to.days()];
    let mut rows = statement.query(values).or_store()?;
    let mut sum = Totals::default();
    while let Some(row) = rows.next().or_store()? {
        sum.merge(&views::totals(row, 0).or_store()?);
    }
    Ok(sum)
}
