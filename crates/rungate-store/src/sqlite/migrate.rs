//! Brings a file to the current schema: numbered SQL, forward only, never edited once merged.

use rungate_core::ports::StoreError;
use rusqlite::{Connection, TransactionBehavior, params};

use super::error::OrStoreError;

/// One step of a schema.
#[derive(Debug)]
pub(crate) struct Migration {
    /// Its name, such as `0001_documents`; its number is its place in the list, from 1.
    pub name: &'static str,
    /// What it does.
    pub sql: &'static str,
}

/// The steps of one kind of file.
pub(crate) type Schema = &'static [Migration];

/// The schema of `control.db`.
pub(crate) const CONTROL: Schema =
    &[Migration { name: "0001_documents", sql: include_str!("migrations/control/0001_documents.sql") }];

/// The schema of a day of rows.
pub(crate) const ROWS: Schema = &[
    Migration { name: "0001_exchanges", sql: include_str!("migrations/rows/0001_exchanges.sql") },
    Migration { name: "0002_whole", sql: include_str!("migrations/rows/0002_whole.sql") },
    Migration { name: "0003_ids_first", sql: include_str!("migrations/rows/0003_ids_first.sql") },
    Migration { name: "0004_trail", sql: include_str!("migrations/rows/0004_trail.sql") },
];

/// The schema of `views.db`.
pub(crate) const VIEWS: Schema = &[
    Migration { name: "0001_views", sql: include_str!("migrations/views/0001_views.sql") },
    Migration { name: "0002_rollups", sql: include_str!("migrations/views/0002_rollups.sql") },
    Migration { name: "0003_overlap", sql: include_str!("migrations/views/0003_overlap.sql") },
    Migration { name: "0004_ended", sql: include_str!("migrations/views/0004_ended.sql") },
];

/// Applies the steps that are missing, all or none.
///
/// Refuses a file of a newer schema, and one whose applied steps are not ours.
pub(crate) fn migrate(connection: &mut Connection, schema: Schema) -> Result<(), StoreError> {
    if applied(connection)? == schema.len() {
        return verify(connection, schema);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
    transaction
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS migration
                 (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT",
        )
        .or_store()?;
    let done = applied(&transaction)?;
    verify(&transaction, schema)?;
    for (number, step) in schema.iter().enumerate().skip(done) {
        transaction.execute_batch(step.sql).or_store()?;
        transaction
            .execute(
                "INSERT INTO migration (number, name, checksum) VALUES (?1, ?2, ?3)",
                params![number_of(number + 1), step.name, checksum(step)],
            )
            .or_store()?;
    }
    transaction.pragma_update(None, "user_version", number_of(schema.len())).or_store()?;
    transaction.commit().or_store()
}

/// How many steps a file has.
fn applied(connection: &Connection) -> Result<usize, StoreError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).or_store()?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

fn number_of(steps: usize) -> i64 {
    i64::try_from(steps).unwrap_or(i64::MAX)
}

fn verify(connection: &Connection, schema: Schema) -> Result<(), StoreError> {
    let name = connection.path().unwrap_or_default().to_owned();
    let mut statement =
        connection.prepare("SELECT number, name, checksum FROM migration ORDER BY number").or_store()?;
    let mut rows = statement.query([]).or_store()?;
    while let Some(row) = rows.next().or_store()? {
        let number: i64 = row.get(0).or_store()?;
        let place = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(step) = schema.get(place) else {
            return Err(StoreError::Unavailable(format!(
                "{name} has schema {number}, which is newer than this version of Rungate knows ({}); \
                 start the version that wrote it, or a newer one",
                schema.len()
            )));
        };
        let (their_name, their_checksum): (String, i64) = (row.get(1).or_store()?, row.get(2).or_store()?);
        if their_name != step.name || their_checksum != checksum(step) {
            return Err(StoreError::Unavailable(format!(
                "{name} has schema step {their_name}, which differs from {} of this version of Rungate",
                step.name
            )));
        }
    }
    Ok(())
}

fn checksum(step: &Migration) -> i64 {
    i64::from(crc32fast::hash(step.sql.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Schema = &[Migration { name: "0001_a", sql: "CREATE TABLE a (x INTEGER)" }];
    const TWO: Schema = &[
        Migration { name: "0001_a", sql: "CREATE TABLE a (x INTEGER)" },
        Migration { name: "0002_b", sql: "CREATE TABLE b (x INTEGER); INSERT INTO b VALUES (7)" },
    ];
    const EDITED: Schema = &[Migration { name: "0001_a", sql: "CREATE TABLE a (y INTEGER)" }];
    const BROKEN: Schema = &[
        Migration { name: "0001_a", sql: "CREATE TABLE a (x INTEGER)" },
        Migration { name: "0002_b", sql: "CREATE TABLE c (x INTEGER); CREATE TABLE a (x INTEGER)" },
    ];

    #[test]
    fn missing_steps_are_applied_once_and_newer_or_edited_ones_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, ONE).unwrap();
        migrate(&mut connection, ONE).unwrap();
        let broken = migrate(&mut connection, BROKEN).unwrap_err();
        assert!(broken.to_string().contains("already exists"), "{broken}");
        migrate(&mut connection, TWO).unwrap();
        let seven: i64 = connection.query_row("SELECT x FROM b", [], |row| row.get(0)).unwrap();
        assert_eq!(seven, 7);
        let newer = migrate(&mut connection, ONE).unwrap_err();
        assert!(newer.to_string().contains("newer than this version"), "{newer}");
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, ONE).unwrap();
        let edited = migrate(&mut connection, EDITED).unwrap_err();
        assert!(edited.to_string().contains("differs"), "{edited}");
    }
}
