//! The entries of trails, in a partition per day.

use std::collections::BTreeSet;
use std::sync::Arc;

use rungate_core::exchange::{Entry, Sequenced, Subject};
use rungate_core::id::{SessionId, WorkspaceId};
use rungate_core::page::{Order, Page, PageRequest, Position};
use rungate_core::ports::StoreError;
use rungate_core::time::{Day, Timestamp};
use rungate_core::trail::{Contents, TrailEntry, TrailFilter, TrailRow};

use super::super::bind::{DIALECT, indexed, typed_parameters};
use super::super::error::{OrStoreError, column};
use super::super::pool::Connection;
use super::copy::{CopyRows, Field, some};
use super::days::{Days, named};
use super::summary;
use crate::filter;
use crate::record::{decode, encode, integer};
use crate::sql::{Value, limit, order_by, position_uuid};
use crate::trail;

/// The columns that are copied.
pub(crate) const COLUMNS: [&str; 15] = [
    "day",
    "at",
    "sequence",
    "id",
    "workspace",
    "agent_id",
    "virtual_key_id",
    "node",
    "run_id",
    "session_id",
    "kind",
    "detail",
    "agent_external_id",
    "record",
    "content",
];

/// An entry as it is written.
pub(crate) struct Told {
    sequence: i64,
    entry: Arc<Entry>,
    json: Arc<str>,
    content: Option<Vec<u8>>,
}

/// The entries of trails in a batch.
pub(crate) fn rows(entries: &[Sequenced]) -> Result<Vec<Told>, StoreError> {
    let mut all = Vec::new();
    for Sequenced { sequence, entry, json, .. } in entries {
        if let Entry::Trail { content, .. } = &**entry {
            let content = content.as_ref().map(trail::pack).transpose()?;
            let (entry, json) = (Arc::clone(entry), Arc::clone(json));
            all.push(Told { sequence: integer(sequence.0), entry, json, content });
        }
    }
    Ok(all)
}

/// Their rows.
pub(crate) fn copy(node: &str, told: &[Told]) -> CopyRows {
    let mut rows = CopyRows::new(COLUMNS.len());
    for Told { sequence, entry, json, content } in told {
        let Entry::Trail { entry, .. } = &**entry else { continue };
        rows.push([
            Field::Integer(named(entry.day()).days()),
            Field::Big(entry.at.micros()),
            Field::Big(*sequence),
            Field::Uuid(entry.id.uuid()),
            Field::Uuid(entry.workspace_id.uuid()),
            some(entry.agent.id, |id| Field::Uuid(id.uuid())),
            some(entry.virtual_key_id, |id| Field::Uuid(id.uuid())),
            Field::Text(node),
            Field::Indexed(entry.run_id.as_str()),
            some(entry.session_id.as_ref().map(SessionId::as_str), Field::Indexed),
            Field::Text(entry.kind().as_str()),
            Field::Text(entry.detail()),
            Field::Text(entry.agent.external_id.as_str()),
            Field::Text(json),
            some(content.as_deref(), Field::Bytes),
        ]);
    }
    rows
}

/// A page of entries.
pub(crate) async fn find(
    connection: &Connection,
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
    let Some((from, to)) = days_of(connection, workspace, filter, page).await? else {
        return Ok(Page::empty());
    };
    let columns = trail::columns(contents);
    let mut found = Vec::new();
    for span in Days::read(connection).await?.spans(from, to, page.order) {
        let Some((first, last)) = span.days else { continue };
        let order = order_by("t.at", "t.id", page.order, limit + 1 - found.len());
        let sql = format!(
            "SELECT {columns}::bytea FROM trail AS t WHERE t.day BETWEEN {} AND {} AND {} {order}",
            first.days(),
            last.days(),
            clause.text()
        );
        for row in connection.query_typed(&sql, &typed_parameters(clause.values())).await.or_store()? {
            let content: Option<&[u8]> = column(&row, 2)?;
            found.push(trail::row(column(&row, 0)?, column(&row, 1)?, content)?);
        }
        if found.len() > limit {
            break;
        }
    }
    Ok(trail::page(found, page))
}

/// Days that may have entries of `filter` from a page's start on; `None` when nobody knows the run.
async fn days_of(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &TrailFilter,
    page: &PageRequest,
) -> Result<Option<(Option<Day>, Option<Day>)>, StoreError> {
    let (mut from, mut to) = (filter.from.map(Timestamp::day), filter.to.map(Timestamp::day));
    let mut until = |day: Day| to = Some(to.map_or(day, |to| to.min(day)));
    if let Some(run_id) = &filter.run_id {
        let Some(run) = summary::run(connection, workspace, run_id).await? else { return Ok(None) };
        from = from.max(Some(run.started_at.day()));
        until(run.last_activity_at.day());
    }
    if let Some(Position { at, .. }) = &page.after {
        let day = Timestamp::from_micros(*at).day();
        match page.order {
            Order::Desc => until(day),
            Order::Asc => from = from.max(Some(day)),
        }
    }
    Ok(Some((from.map(named), to.map(named))))
}

/// Entries that are changed at once.
const GROUP: i64 = 500;

/// Takes contents and texts out of a subject's entries. How many entries, and the days they lie in.
pub(crate) async fn erase(
    connection: &mut Connection,
    workspace: WorkspaceId,
    subject: &Subject,
) -> Result<(u64, BTreeSet<Day>), StoreError> {
    let (mut erased, mut days) = (0, BTreeSet::new());
    let (name, value) = match subject {
        Subject::Session(id) => ("session_id", id.as_str()),
        Subject::Run(id) => ("run_id", id.as_str()),
        // Nothing in a trail says whose user it is about.
        Subject::User(_) => return Ok((erased, days)),
    };
    let select = format!(
        "SELECT node, sequence, day, record FROM trail WHERE workspace = $1 AND {name} = $2 \
         AND (node, sequence) > ($3, $4) ORDER BY node, sequence LIMIT $5 FOR UPDATE"
    );
    let update =
        "UPDATE trail SET record = $4, content = NULL WHERE node = $1 AND sequence = $2 AND day = $3";
    let mut after = (String::new(), i64::MIN);
    loop {
        let transaction = connection.transaction().await.or_store()?;
        let found = transaction
            .query(&select, &[&workspace.uuid(), &indexed(value), &after.0, &after.1, &GROUP])
            .await
            .or_store()?;
        for row in &found {
            let (node, sequence, day): (&str, i64, i32) = (column(row, 0)?, column(row, 1)?, column(row, 2)?);
            let mut entry: TrailEntry = decode(column(row, 3)?)?;
            entry.erase_text();
            transaction.execute(update, &[&node, &sequence, &day, &encode(&entry)?]).await.or_store()?;
            days.insert(Day::from_days(day));
            after = (node.to_owned(), sequence);
        }
        transaction.commit().await.or_store()?;
        if found.is_empty() {
            return Ok((erased, days));
        }
        erased += found.len() as u64;
    }
}
