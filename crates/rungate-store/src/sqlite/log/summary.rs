//! Reads runs, sessions and sums from `views.db`.

use rungate_core::exchange::{RollupQuery, RollupRow, Run, RunFilter, Session, SessionFilter};
use rungate_core::id::WorkspaceId;
use rungate_core::page::{Page, PageRequest, Position};
use rungate_core::ports::StoreError;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::super::bind::{DIALECT, blob};
use super::super::error::OrStoreError;
use super::views::Kept;
use crate::filter;
use crate::rollup::{self, Fold};
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

/// Sums over cells.
pub(crate) fn rollup(
    connection: &Connection,
    workspace: WorkspaceId,
    query: &RollupQuery,
) -> Result<Vec<RollupRow>, StoreError> {
    let (sql, clause) = rollup::select(&DIALECT, workspace, query);
    let mut statement = connection.prepare_cached(&sql).or_store()?;
    let mut cells = statement.query(rusqlite::params_from_iter(clause.values())).or_store()?;
    let mut fold = Fold::new(query);
    while let Some(cell) = cells.next().or_store()? {
        let (at, is_other) = (cell.get(0).or_store()?, cell.get(1).or_store()?);
        let entity = cell.get_ref(2).or_store()?.as_str().map_err(rusqlite::Error::from).or_store()?;
        let sums = cell.get_ref(3).or_store()?.as_blob().map_err(rusqlite::Error::from).or_store()?;
        fold.add(at, is_other, entity, sums)?;
    }
    Ok(fold.finish())
}

/// The property keys that are rolled up.
pub(crate) fn rollup_properties(
    connection: &Connection,
    workspace: WorkspaceId,
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT property FROM rollup_property WHERE workspace = ?1 ORDER BY property";
    let mut statement = connection.prepare_cached(sql).or_store()?;
    let keys = statement.query_map([blob(workspace.uuid())], |row| row.get(0)).or_store()?;
    keys.collect::<rusqlite::Result<_>>().or_store()
}
