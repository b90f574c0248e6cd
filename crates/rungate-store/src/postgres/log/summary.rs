//! Reads runs, sessions and sums.

use rungate_core::exchange::{RollupQuery, RollupRow, Run, RunFilter, Session, SessionFilter};
use rungate_core::id::{RunId, SessionId, WorkspaceId};
use rungate_core::page::{Page, PageRequest, Position};
use rungate_core::ports::StoreError;
use tokio_postgres::Row;
use uuid::Uuid;

use super::super::bind::{DIALECT, restored, typed_parameters};
use super::super::error::{OrStoreError, column};
use super::super::pool::Connection;
use crate::filter;
use crate::record::{decode_run, decode_session};
use crate::rollup::{self, Fold};
use crate::sql::{Clause, Value, limit, order_by};

const RUN: &str = "r.record, r.started_at, r.last_at";
const SESSION: &str = "s.record, s.started_at, s.last_at";

/// One run by the caller's id.
pub(crate) async fn run(
    client: &Connection,
    workspace: WorkspaceId,
    id: &RunId,
) -> Result<Option<Run>, StoreError> {
    let sql = format!("SELECT {RUN} FROM run AS r WHERE r.workspace = $1 AND r.run_id = $2");
    let statement = client.prepare_cached(&sql).await.or_store()?;
    let found = client.query_opt(&statement, &[&workspace.uuid(), &id.as_str()]).await.or_store()?;
    found.as_ref().map(read_run).transpose()
}

/// One run by our id.
pub(crate) async fn run_by_uuid(
    client: &Connection,
    workspace: WorkspaceId,
    id: Uuid,
) -> Result<Option<Run>, StoreError> {
    let sql = format!("SELECT {RUN} FROM run AS r WHERE r.id = $1 AND r.workspace = $2");
    let statement = client.prepare_cached(&sql).await.or_store()?;
    let found = client.query_opt(&statement, &[&id, &workspace.uuid()]).await.or_store()?;
    found.as_ref().map(read_run).transpose()
}

/// One session.
pub(crate) async fn session(
    client: &Connection,
    workspace: WorkspaceId,
    id: &SessionId,
) -> Result<Option<Session>, StoreError> {
    let sql = format!("SELECT {SESSION} FROM session AS s WHERE s.workspace = $1 AND s.session_id = $2");
    let statement = client.prepare_cached(&sql).await.or_store()?;
    let found = client.query_opt(&statement, &[&workspace.uuid(), &id.as_str()]).await.or_store()?;
    found.as_ref().map(read_session).transpose()
}

/// A page of runs by last activity.
pub(crate) async fn runs(
    client: &Connection,
    workspace: WorkspaceId,
    filter: &RunFilter,
    page: &PageRequest,
) -> Result<Page<Run>, StoreError> {
    let clause = filter::runs(&DIALECT, workspace, filter);
    let rows = list(client, "run AS r", [RUN, "r.last_at", "r.run_id"], clause, page).await?;
    let runs = rows.iter().map(read_run).collect::<Result<Vec<_>, _>>()?;
    Ok(cut(runs, page, |run| (run.last_activity_at.micros(), run.run_id.to_string())))
}

/// A page of sessions by last activity.
pub(crate) async fn sessions(
    client: &Connection,
    workspace: WorkspaceId,
    filter: &SessionFilter,
    page: &PageRequest,
) -> Result<Page<Session>, StoreError> {
    let clause = filter::sessions(&DIALECT, workspace, filter);
    let rows = list(client, "session AS s", [SESSION, "s.last_at", "s.session_id"], clause, page).await?;
    let sessions = rows.iter().map(read_session).collect::<Result<Vec<_>, _>>()?;
    Ok(cut(sessions, page, |session| (session.last_at.micros(), session.session_id.to_string())))
}

/// One item more than the page has room for, so that [`cut`] knows whether there are more.
async fn list(
    client: &Connection,
    source: &str,
    [columns, time, id]: [&str; 3],
    mut clause: Clause,
    page: &PageRequest,
) -> Result<Vec<Row>, StoreError> {
    if let Some(position) = &page.after {
        clause.after(time, id, position, Value::Text(position.id.clone()), page.order);
    }
    let order = order_by(time, id, page.order, limit(page) + 1);
    let sql = format!("SELECT {columns} FROM {source} WHERE {} {order}", clause.text());
    client.query_typed(&sql, &typed_parameters(clause.values())).await.or_store()
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

fn read_run(row: &Row) -> Result<Run, StoreError> {
    decode_run(column(row, 0)?, column(row, 1)?, column(row, 2)?)
}

fn read_session(row: &Row) -> Result<Session, StoreError> {
    decode_session(column(row, 0)?, column(row, 1)?, column(row, 2)?)
}

/// Folds the cells that a question means.
pub(crate) async fn rollup(
    client: &Connection,
    workspace: WorkspaceId,
    query: &RollupQuery,
) -> Result<Vec<RollupRow>, StoreError> {
    let (sql, clause) = rollup::select(&DIALECT, workspace, query);
    let mut fold = Fold::new(query);
    for cell in client.query_typed(&sql, &typed_parameters(clause.values())).await.or_store()? {
        let is_other = column::<i64>(&cell, 1)? != 0;
        fold.add(column(&cell, 0)?, is_other, &restored(column(&cell, 2)?), column(&cell, 3)?)?;
    }
    Ok(fold.finish())
}

/// The property keys that are rolled up.
pub(crate) async fn rollup_properties(
    client: &Connection,
    workspace: WorkspaceId,
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT property FROM rollup_property WHERE workspace = $1 ORDER BY property";
    let rows = client.query(sql, &[&workspace.uuid()]).await.or_store()?;
    rows.iter().map(|row| column(row, 0)).collect()
}
