//! Takes out of a day what is kept no longer, group by group, each as one transaction.

use deadpool_postgres::Transaction;
use rungate_core::ports::{Expired, Expiring, Expiry, StoreError};
use rungate_core::time::Day;
use uuid::Uuid;

use super::super::bind::{DIALECT, parameters};
use super::super::error::{OrStoreError, column};
use super::super::pool::Connection;
use super::days::partition;
use super::erase;
use super::rows::location;
use crate::block::Location;
use crate::filter;
use crate::record::encode;
use crate::sql::Clause;

/// Rows that are changed at once.
const GROUP: usize = 500;

/// Takes what `due` says out of a day; see [`rungate_core::ports::Log::expire`].
pub(crate) async fn expire(
    connection: &mut Connection,
    day: Day,
    due: &[Expiry],
) -> Result<Expired, StoreError> {
    let (retention, mut expired) = (encode(&due)?, Expired::default());
    let held_to = connection
        .query_opt("SELECT retention FROM day WHERE day = $1 AND rows", &[&day.days()])
        .await
        .or_store()?;
    let Some(held_to) = held_to else { return Ok(expired) };
    if column::<Option<&str>>(&held_to, 0)? == Some(&retention) {
        return Ok(expired);
    }
    for expiry in due {
        let clause = filter::expiry(&DIALECT, expiry);
        loop {
            let transaction = connection.transaction().await.or_store()?;
            let count = step(&transaction, day, expiry.what, &clause).await?;
            transaction.commit().await.or_store()?;
            match (count, expiry.what) {
                (0, _) => break,
                (count, Expiring::Bodies) => expired.bodies += count,
                (count, Expiring::Rows) => expired.rows += count,
            }
        }
    }
    let note = "UPDATE day SET retention = $2 WHERE day = $1";
    connection.execute(note, &[&day.days(), &retention]).await.or_store()?;
    if expired != Expired::default() {
        let tables = ["exchange", "property", "trail", "body"].map(|table| partition(table, day));
        erase::vacuum(connection, &tables).await.unwrap_or_else(|error| {
            tracing::warn!(%day, %error, "what is kept no longer is left to the database's own vacuum");
        });
    }
    Ok(expired)
}

async fn step(
    transaction: &Transaction<'_>,
    day: Day,
    what: Expiring,
    clause: &Clause,
) -> Result<u64, StoreError> {
    let found = found(transaction, day, what, clause).await?;
    let places: Vec<(Day, Location)> =
        found.iter().flat_map(|(_, bodies)| bodies).flatten().map(|at| (day, *at)).collect();
    erase::blank(transaction, places).await?;
    let ids: Vec<Uuid> = found.iter().map(|(id, _)| *id).collect();
    let days = day.days();
    let mut count = ids.len() as u64;
    let told = match what {
        Expiring::Bodies => {
            let forget = "UPDATE exchange SET request_block = NULL, request_offset = NULL, request_length = NULL, \
                          request_flags = NULL, response_block = NULL, response_offset = NULL, response_length = NULL, \
                          response_flags = NULL WHERE day = $1 AND id = ANY ($2)";
            transaction.execute(forget, &[&days, &ids]).await.or_store()?;
            "UPDATE trail SET content = NULL WHERE (node, sequence, day) IN (SELECT e.node, e.sequence, e.day \
             FROM trail AS e WHERE e.content IS NOT NULL AND"
        }
        Expiring::Rows => {
            for table in [("property", "exchange"), ("exchange", "id")] {
                let delete = format!("DELETE FROM {} WHERE day = $1 AND {} = ANY ($2)", table.0, table.1);
                transaction.execute(&delete, &[&days, &ids]).await.or_store()?;
            }
            if count > 0 {
                let thinned = "UPDATE day SET is_thinned = true WHERE day = $1 AND NOT is_thinned";
                transaction.execute(thinned, &[&days]).await.or_store()?;
            }
            "DELETE FROM trail WHERE (node, sequence, day) IN (SELECT e.node, e.sequence, e.day FROM trail AS e WHERE"
        }
    };
    let told = format!("{told} e.day = {days} AND {} LIMIT {GROUP})", clause.text());
    count += transaction.execute(&told, &parameters(clause.values())).await.or_store()?;
    Ok(count)
}

async fn found(
    transaction: &Transaction<'_>,
    day: Day,
    what: Expiring,
    clause: &Clause,
) -> Result<Vec<(Uuid, [Option<Location>; 2])>, StoreError> {
    let with_bodies = match what {
        Expiring::Bodies => "AND (e.request_block IS NOT NULL OR e.response_block IS NOT NULL)",
        Expiring::Rows => "",
    };
    let sql = format!(
        "SELECT e.id, e.request_block, e.request_offset, e.request_length, e.request_flags, e.response_block, \
         e.response_offset, e.response_length, e.response_flags FROM exchange AS e \
         WHERE e.day = {} AND {} {with_bodies} LIMIT {GROUP} FOR UPDATE",
        day.days(),
        clause.text()
    );
    let rows = transaction.query(&sql, &parameters(clause.values())).await.or_store()?;
    rows.iter().map(|row| Ok((column(row, 0)?, [location(row, 1)?, location(row, 5)?]))).collect()
}
