//! Brings a database to the current schema: numbered SQL, forward only, never edited once merged.

use deadpool_postgres::GenericClient;
use rungate_core::ports::StoreError;
use tokio_postgres::Transaction;

use super::error::{OrStoreError, column};
use super::pool::Connection;

/// One step of a schema.
#[derive(Debug)]
pub(crate) struct Migration {
    /// Its name, such as `0001_documents`; its number is its place in the list, from 1.
    pub name: &'static str,
    /// What it does.
    pub sql: &'static str,
}

/// The steps of one role's tables.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The role.
    pub role: &'static str,
    /// Its steps.
    pub steps: &'static [Migration],
}

/// The tables of the catalog.
pub(crate) const CONTROL: Schema = Schema {
    role: "control",
    steps: &[Migration {
        name: "0001_documents",
        sql: include_str!("migrations/control/0001_documents.sql"),
    }],
};

/// The tables of the log.
pub(crate) const LOG: Schema = Schema {
    role: "log",
    steps: &[
        Migration { name: "0001_log", sql: include_str!("migrations/log/0001_log.sql") },
        Migration { name: "0002_overlap", sql: include_str!("migrations/log/0002_overlap.sql") },
        Migration { name: "0003_trail", sql: include_str!("migrations/log/0003_trail.sql") },
    ],
};

/// Which steps a database has.
const STEPS_TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (role text NOT NULL, number bigint NOT NULL, \
     name text NOT NULL, checksum bigint NOT NULL, PRIMARY KEY (role, number))";

/// One node at a time looks at the schema of a database; the number only has to be ours.
const LOCK: i64 = 0x7275_6e67_6174_6531;

/// Applies the steps that are missing, all or none, while other nodes wait.
///
/// Refuses a database of a newer schema, and one whose applied steps are not ours.
pub(crate) async fn migrate(connection: &mut Connection, schema: &Schema) -> Result<(), StoreError> {
    let transaction = connection.transaction().await.or_store()?;
    // A step may take long, and so may another node's. PostgreSQL 15 has no CREATE TABLE without a note when it exists.
    transaction
        .batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '120s'; SET LOCAL client_min_messages = warning")
        .await
        .or_store()?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.or_store()?;
    transaction.batch_execute(STEPS_TABLE).await.or_store()?;
    let done = verify(&transaction, schema).await?;
    for (place, step) in schema.steps.iter().enumerate().skip(done) {
        transaction.batch_execute(step.sql).await.or_store()?;
        transaction
            .execute(
                "INSERT INTO migration (role, number, name, checksum) VALUES ($1, $2, $3, $4)",
                &[&schema.role, &number_of(place + 1), &step.name, &checksum(step)],
            )
            .await
            .or_store()?;
    }
    transaction.commit().await.or_store()
}

/// Makes the tables of an empty database as they were after so many steps of each role, with no row, not even of steps.
pub(crate) async fn make(client: &impl GenericClient, steps: &[(String, u64)]) -> Result<(), StoreError> {
    client.batch_execute(STEPS_TABLE).await.or_store()?;
    for (role, count) in steps {
        let schema = [CONTROL, LOG].into_iter().find(|schema| schema.role == role);
        let known = schema.as_ref().map_or(&[][..], |schema| schema.steps);
        let wanted = usize::try_from(*count).ok().and_then(|count| known.get(..count)).ok_or_else(|| {
            StoreError::Unavailable(format!(
                "it has {role} schema {count}, which is newer than this version of Rungate knows ({}); use the version \
                 that wrote it, or a newer one",
                known.len()
            ))
        })?;
        for step in wanted {
            client.batch_execute(step.sql).await.or_store()?;
        }
    }
    Ok(())
}

/// How many steps the database has, all of them known to be ours.
async fn verify(transaction: &Transaction<'_>, schema: &Schema) -> Result<usize, StoreError> {
    let Schema { role, steps } = schema;
    let rows = transaction
        .query("SELECT number, name, checksum FROM migration WHERE role = $1 ORDER BY number", &[role])
        .await
        .or_store()?;
    for row in &rows {
        let number: i64 = column(row, 0)?;
        let place = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(step) = steps.get(place) else {
            return Err(StoreError::Unavailable(format!(
                "the database has {role} schema {number}, which is newer than this version of Rungate knows ({}); \
                 start the version that wrote it, or a newer one",
                steps.len()
            )));
        };
        let (their_name, their_checksum): (String, i64) = (column(row, 1)?, column(row, 2)?);
        if their_name != step.name || their_checksum != checksum(step) {
            return Err(StoreError::Unavailable(format!(
                "the database has {role} schema step {their_name}, which differs from {} of this version of Rungate",
                step.name
            )));
        }
    }
    Ok(rows.len())
}

fn number_of(steps: usize) -> i64 {
    i64::try_from(steps).unwrap_or(i64::MAX)
}

fn checksum(step: &Migration) -> i64 {
    i64::from(crc32fast::hash(step.sql.as_bytes()))
}
