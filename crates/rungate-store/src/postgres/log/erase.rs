//! Takes the text out of exchanges: out of their rows and out of the blocks of their bodies, group by group, each as one
//! transaction.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use rungate_core::exchange::{Erased, ExchangeRecord, Subject};
use rungate_core::id::WorkspaceId;
use rungate_core::ports::StoreError;
use rungate_core::time::Day;
use tokio_postgres::Row;
use uuid::Uuid;

use super::super::bind::{indexed, storable};
use super::super::error::{OrStoreError, column};
use super::super::pool::{Connection, Pool};
use super::bodies::damaged;
use super::days::{day_of, partition};
use super::rows::location;
use super::trail;
use crate::block::{self, Block, Location};
use crate::record::{decode, encode, search_text};

/// Rows that are changed at once.
const GROUP: i64 = 500;

/// A row whose text is to go.
struct Spoken {
    created_at: i64,
    id: Uuid,
    day: i32,
    record: ExchangeRecord,
    bodies: [Option<Location>; 2],
}

/// Erases everything of `subject`.
pub(crate) async fn erase(
    pool: &Pool,
    workspace: WorkspaceId,
    subject: &Subject,
) -> Result<Erased, StoreError> {
    let mut connection = pool.get().await?;
    let mut erased = Erased::default();
    let mut days = BTreeSet::new();
    let mut after = (i64::MIN, Uuid::nil());
    loop {
        let transaction = connection.transaction().await.or_store()?;
        let group = spoken(&transaction, workspace, subject, after).await?;
        let Some(last) = group.last() else { break };
        after = (last.created_at, last.id);
        days.extend(group.iter().map(|row| day_of(&row.record)));
        let places = |row: &Spoken| {
            let day = day_of(&row.record);
            row.bodies.into_iter().flatten().map(move |at| (day, at))
        };
        blank(&transaction, group.iter().flat_map(places)).await?;
        forget(&transaction, group, &mut erased).await?;
        transaction.commit().await.or_store()?;
    }
    let (entries, of_trails) = trail::erase(&mut connection, workspace, subject).await?;
    erased.entries = entries;
    days.extend(of_trails);
    // The versions of rows and blocks before are dead now; this takes them out of their tables.
    for day in days {
        // Open exchanges lie in a partition of their own; a day may have no bodies.
        let tables = [
            "exchange_open".to_owned(),
            partition("exchange", day),
            partition("body", day),
            partition("trail", day),
        ];
        if let Err(error) = vacuum(&connection, &tables).await {
            tracing::warn!(%day, %error, "what was erased is left to the database's own vacuum");
        }
    }
    Ok(erased)
}

/// Takes dead versions out of tables, as far as they are there.
pub(crate) async fn vacuum(connection: &Connection, tables: &[String]) -> Result<(), StoreError> {
    connection.batch_execute("SET statement_timeout = 0").await.or_store()?;
    let mut done = Ok(());
    for table in tables {
        let there = connection.query_one("SELECT to_regclass($1) IS NOT NULL", &[table]).await.or_store()?;
        if column(&there, 0)? {
            done = done.and(connection.batch_execute(&format!("VACUUM {table}")).await.or_store());
        }
    }
    connection.batch_execute("RESET statement_timeout").await.or_store()?;
    done
}

async fn spoken(
    transaction: &Transaction<'_>,
    workspace: WorkspaceId,
    subject: &Subject,
    (created_at, id): (i64, Uuid),
) -> Result<Vec<Spoken>, StoreError> {
    let (name, value) = match subject {
        Subject::User(id) => ("user_id", id.as_str()),
        Subject::Session(id) => ("session_id", id.as_str()),
        Subject::Run(id) => ("run_id", id.as_str()),
    };
    let sql = format!(
        "SELECT created_at, id, day, record, request_block, request_offset, request_length, request_flags, \
         response_block, response_offset, response_length, response_flags FROM exchange \
         WHERE workspace = $1 AND {name} = $2 AND (created_at, id) > ($3, $4) \
         ORDER BY created_at, id LIMIT $5 FOR UPDATE"
    );
    let rows = transaction
        .query(&sql, &[&workspace.uuid(), &indexed(value), &created_at, &id, &GROUP])
        .await
        .or_store()?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Spoken, StoreError> {
    Ok(Spoken {
        created_at: column(row, 0)?,
        id: column(row, 1)?,
        day: column(row, 2)?,
        record: decode(column(row, 3)?)?,
        bodies: [location(row, 4)?, location(row, 8)?],
    })
}

/// Writes zeros over bodies.
pub(crate) async fn blank(
    transaction: &Transaction<'_>,
    places: impl IntoIterator<Item = (Day, Location)>,
) -> Result<(), StoreError> {
    let mut blocks: BTreeMap<(Day, i64), Vec<(i64, i64)>> = BTreeMap::new();
    for (day, at) in places {
        blocks.entry((day, at.block)).or_default().push((at.offset, at.length));
    }
    for ((day, number), parts) in blocks {
        let sql = "SELECT raw_bytes, checksum, data FROM body WHERE day = $1 AND block = $2 FOR UPDATE";
        // Gone with the bodies of its day.
        let Some(row) = transaction.query_opt(sql, &[&day.days(), &number]).await.or_store()? else {
            continue;
        };
        let (raw_bytes, checksum): (i64, i64) = (column(&row, 0)?, column(&row, 1)?);
        let sizes = u32::try_from(raw_bytes).ok().zip(u32::try_from(checksum).ok());
        let (raw_bytes, checksum) = sizes.ok_or_else(|| damaged(day, number, "its size is none"))?;
        let old = Block { compressed: column(&row, 2)?, raw_bytes, checksum };
        let new = block::blank(&old, &parts).map_err(|reason| damaged(day, number, reason))?;
        let update = "UPDATE body SET checksum = $3, data = $4 WHERE day = $1 AND block = $2";
        let values = (i64::from(new.checksum), new.compressed);
        transaction.execute(update, &[&day.days(), &number, &values.0, &values.1]).await.or_store()?;
    }
    Ok(())
}

async fn forget(
    transaction: &Transaction<'_>,
    group: Vec<Spoken>,
    erased: &mut Erased,
) -> Result<(), StoreError> {
    let update = "UPDATE exchange SET search = $3, record = $4, request_block = NULL, request_offset = NULL, \
                  request_length = NULL, request_flags = NULL, response_block = NULL, response_offset = NULL, \
                  response_length = NULL, response_flags = NULL WHERE id = $1 AND day = $2";
    let update = transaction.prepare_cached(update).await.or_store()?;
    for Spoken { id, day, mut record, bodies, .. } in group {
        erased.exchanges += 1;
        erased.open += u64::from(!record.is_closed());
        erased.bodies += bodies.iter().flatten().count() as u64;
        erased.previews += record.erase_text();
        let search = search_text(&record);
        let values = (storable(&search), encode(&record)?);
        transaction.execute(&update, &[&id, &day, &values.0, &values.1]).await.or_store()?;
    }
    Ok(())
}
