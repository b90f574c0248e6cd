//! Copies a whole database into files as of one moment, while nodes work on it, and fills an empty database from them.
//!
//! Which tables there are is asked of the server, so a table that a later schema adds is copied like the others. A file has the rows of
//! one table in the binary format of COPY, which is the same for every supported version of PostgreSQL and needs no escaping
//! for bodies.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::path::Path;
use std::pin::pin;

use bytes::Bytes;
use deadpool_postgres::{GenericClient as _, Transaction};
use futures_util::{SinkExt as _, TryStreamExt as _};
use rungate_core::ports::StoreError;
use rungate_core::time::Day;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::{OrStoreError, column};
use super::log::{make_partition, partition};
use super::migrate;
use super::pool::Pool;
use super::url::DatabaseUrl;
use super::wait;
use crate::backup::Contents;
use crate::folder::unusable as io_error;
use crate::record::unsigned;

/// The folder of its files in a backup.
pub const FOLDER: &str = "database";

/// What a database was when it was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dump {
    /// Steps of the schema, by role.
    pub schema: Vec<(String, u64)>,
    /// Its tables.
    pub tables: Vec<Table>,
    /// The next value of each sequence.
    pub sequences: Vec<(String, i64)>,
}

/// A table, or one day of a partitioned one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Table {
    /// Its name, which its file has too.
    pub name: String,
    /// The table that it is a part of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub part_of: Option<String>,
    /// Its columns, in the order of the file.
    pub columns: Vec<String>,
    /// How many rows.
    pub rows: u64,
}

impl Table {
    /// Its file, below the backup's folder.
    pub fn file(&self) -> String {
        format!("{FOLDER}/{}.copy", self.name)
    }
}

/// Copies the database into files below `to`. The journal of `node` must be held from before until it was copied.
pub async fn dump(
    url: &DatabaseUrl,
    node: Uuid,
    to: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<(Dump, Contents), StoreError> {
    wait::until_reachable(url, std::time::Duration::ZERO).await?;
    let pool = Pool::new(url, 1)?;
    let mut connection = pool.get().await?;
    let transaction = connection.transaction().await.or_store()?;
    transaction
        .batch_execute(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; \
             SET LOCAL idle_in_transaction_session_timeout = 0",
        )
        .await
        .or_store()?;
    let schema = schema(&transaction).await?;
    let mut tables = tables(&transaction).await?;
    for table in &mut tables {
        let file = table.file();
        tell(&file);
        table.rows = copy_out(&transaction, table, &to.join(&file)).await?;
    }
    let contents = contents(&transaction, node, &tables).await?;
    let mut sequences = Vec::new();
    let named = "SELECT c.relname::text FROM pg_class AS c WHERE c.relkind = 'S' \
                 AND c.relnamespace = current_schema()::regnamespace ORDER BY 1";
    for row in transaction.query(named, &[]).await.or_store()? {
        let name: String = column(&row, 0)?;
        let value = format!("SELECT last_value + is_called::int FROM {}", quoted(&name));
        let row = transaction.query_one(&value, &[]).await.or_store()?;
        sequences.push((name, column(&row, 0)?));
    }
    transaction.rollback().await.or_store()?;
    Ok((Dump { schema, tables, sequences }, contents))
}

/// Whether the files below `from` have the rows that `dump` says, and what they hold by that.
pub fn inspect(from: &Path, dump: &Dump) -> Result<(), StoreError> {
    for table in &dump.tables {
        let place = from.join(table.file());
        let mut reader = BufReader::new(File::open(&place).map_err(|error| io_error(&place, &error))?);
        let (mut rows, mut buffer) = (Rows::default(), vec![0; 256 << 10]);
        loop {
            let read = reader.read(&mut buffer).map_err(|error| io_error(&place, &error))?;
            if read == 0 {
                break;
            }
            rows.feed(buffer.get(..read).unwrap_or_default());
        }
        if rows.finished() != Some(table.rows) {
            return Err(StoreError::Corrupt(format!(
                "{} does not hold the {} rows that the manifest says",
                table.file(),
                table.rows
            )));
        }
    }
    Ok(())
}

/// Whether the database has nothing in it yet.
pub async fn is_empty(url: &DatabaseUrl) -> Result<bool, StoreError> {
    wait::until_reachable(url, std::time::Duration::ZERO).await?;
    let pool = Pool::new(url, 1)?;
    let connection = pool.get().await?;
    let sql = "SELECT count(*) = 0 FROM pg_class WHERE relkind IN ('r', 'p', 'S', 'v', 'm') \
               AND relnamespace = current_schema()::regnamespace";
    column(&connection.query_one(sql, &[]).await.or_store()?, 0)
}

/// Fills an empty database from the files below `from`: all of it, or nothing.
pub async fn fill(
    url: &DatabaseUrl,
    from: &Path,
    dump: &Dump,
    tell: &mut dyn FnMut(&str),
) -> Result<(), StoreError> {
    let pool = Pool::new(url, 1)?;
    let mut connection = pool.get().await?;
    let transaction = connection.transaction().await.or_store()?;
    transaction
        .batch_execute(
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
             SET LOCAL client_min_messages = warning",
        )
        .await
        .or_store()?;
    migrate::make(&transaction, &dump.schema).await?;
    for table in &dump.tables {
        tell(&table.file());
        if let Some(whole) = &table.part_of
            && let Some(day) = day_of(whole, &table.name)
        {
            make_partition(&transaction, whole, day).await?;
        }
        // Steps may have left rows of their own.
        transaction.batch_execute(&format!("TRUNCATE {}", quoted(&table.name))).await.or_store()?;
        copy_in(&transaction, table, &from.join(table.file())).await?;
    }
    for (name, next) in &dump.sequences {
        let sql = "SELECT setval($1::text::regclass, $2, false)";
        transaction.query_one(sql, &[&quoted(name), next]).await.or_store()?;
    }
    tell("committing");
    transaction.commit().await.or_store()?;
    // Plans are bad until the server knows what it has.
    connection.batch_execute("SET statement_timeout = 0; ANALYZE").await.or_store()
}

/// Takes everything out of a database that was filled a moment ago.
pub async fn clear(url: &DatabaseUrl) -> Result<(), StoreError> {
    let pool = Pool::new(url, 1)?;
    let mut connection = pool.get().await?;
    let transaction = connection.transaction().await.or_store()?;
    for (kind, what) in [("p", "TABLE"), ("r", "TABLE"), ("S", "SEQUENCE")] {
        let sql = format!(
            "SELECT relname::text FROM pg_class WHERE relkind = '{kind}' \
             AND relnamespace = current_schema()::regnamespace"
        );
        for row in transaction.query(&sql, &[]).await.or_store()? {
            let name: String = column(&row, 0)?;
            let drop = format!("DROP {what} IF EXISTS {} CASCADE", quoted(&name));
            transaction.batch_execute(&drop).await.or_store()?;
        }
    }
    transaction.commit().await.or_store()
}

async fn schema(transaction: &Transaction<'_>) -> Result<Vec<(String, u64)>, StoreError> {
    let sql = "SELECT role, max(number) FROM migration GROUP BY role ORDER BY role";
    let rows = transaction.query(sql, &[]).await.or_store()?;
    rows.iter().map(|row| Ok((column(row, 0)?, unsigned(column(row, 1)?)))).collect()
}

/// Every table with rows of its own, locked so that it stays.
async fn tables(transaction: &Transaction<'_>) -> Result<Vec<Table>, StoreError> {
    let sql = "SELECT c.relname::text, parent.relname::text, \
               array(SELECT a.attname::text FROM pg_attribute AS a \
                     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) \
               FROM pg_class AS c LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid \
               LEFT JOIN pg_class AS parent ON parent.oid = i.inhparent \
               WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY 1";
    let mut tables = Vec::new();
    for row in transaction.query(sql, &[]).await.or_store()? {
        let name: String = column(&row, 0)?;
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", quoted(&name));
        transaction.batch_execute(&lock).await.or_store()?;
        tables.push(Table { name, part_of: column(&row, 1)?, columns: column(&row, 2)?, rows: 0 });
    }
    Ok(tables)
}

async fn contents(
    transaction: &Transaction<'_>,
    node: Uuid,
    tables: &[Table],
) -> Result<Contents, StoreError> {
    let sql = "SELECT coalesce((SELECT sequence FROM cursor WHERE node = $1), 0)";
    let applied = transaction.query_one(sql, &[&node.to_string()]).await.or_store()?;
    let days = transaction.query_one("SELECT count(*) FROM day WHERE rows", &[]).await.or_store()?;
    let rows_of = |whole: &str| {
        let parts = tables.iter().filter(|table| table.part_of.as_deref().unwrap_or(&table.name) == whole);
        parts.map(|table| table.rows).sum()
    };
    Ok(Contents {
        applied: unsigned(column(&applied, 0)?),
        documents: rows_of("document"),
        days: unsigned(column(&days, 0)?),
        exchanges: rows_of("exchange"),
        body_blocks: rows_of("body"),
    })
}

async fn copy_out(transaction: &Transaction<'_>, table: &Table, to: &Path) -> Result<u64, StoreError> {
    let failed = |error: &io::Error| io_error(to, error);
    let mut file = BufWriter::new(File::create_new(to).map_err(|error| failed(&error))?);
    let sql = format!("COPY {} TO STDOUT (FORMAT binary)", with_columns(table));
    let mut chunks = pin!(transaction.copy_out(&sql).await.or_store()?);
    let mut rows = Rows::default();
    while let Some(chunk) = chunks.try_next().await.or_store()? {
        rows.feed(&chunk);
        file.write_all(&chunk).map_err(|error| failed(&error))?;
    }
    let file = file.into_inner().map_err(|error| failed(error.error()))?;
    file.sync_all().map_err(|error| failed(&error))?;
    rows.finished().ok_or_else(|| StoreError::Unavailable(format!("{} was not copied whole", table.name)))
}

async fn copy_in(transaction: &Transaction<'_>, table: &Table, from: &Path) -> Result<(), StoreError> {
    let failed = |error: io::Error| io_error(from, &error);
    let mut file = BufReader::new(File::open(from).map_err(failed)?);
    let sql = format!("COPY {} FROM STDIN (FORMAT binary)", with_columns(table));
    let mut sink = pin!(transaction.copy_in::<_, Bytes>(&sql).await.or_store()?);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        sink.send(Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default())).await.or_store()?;
    }
    let rows = sink.as_mut().finish().await.or_store()?;
    if rows == table.rows {
        return Ok(());
    }
    Err(StoreError::Corrupt(format!("{} has {rows} rows in place of {}", table.name, table.rows)))
}

/// The day of a part by its name.
fn day_of(whole: &str, name: &str) -> Option<Day> {
    let digits = name.strip_prefix(whole)?.strip_prefix('_')?;
    let (year, rest) = digits.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    Day::parse(&format!("{year}-{month}-{day}")).filter(|day| partition(whole, *day) == name)
}

fn with_columns(table: &Table) -> String {
    let columns: Vec<String> = table.columns.iter().map(|name| quoted(name)).collect();
    format!("{} ({})", quoted(&table.name), columns.join(", "))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Counts rows of the binary format as its bytes go by.
#[derive(Debug)]
struct Rows {
    count: u64,
    state: State,
    /// Bytes of a number so far.
    number: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes are of no account, then comes what follows.
    Skip(u64, After),
    /// The number of fields of a row.
    Fields,
    /// The length of one of so many fields.
    Length(u16),
    /// Nothing may follow.
    End,
    /// This is not the format.
    Bad,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The length of the header's extension.
    Extension,
    /// A row.
    Row,
    /// So many more fields.
    Fields(u16),
}

impl Default for Rows {
    fn default() -> Self {
        // The signature and the flags.
        Self { count: 0, state: State::Skip(15, After::Extension), number: Vec::new() }
    }
}

impl Rows {
    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let wanted = match self.state {
                State::Skip(left, after) => {
                    let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    bytes = bytes.get(taken..).unwrap_or_default();
                    self.skip(left - taken as u64, after);
                    continue;
                }
                State::Fields => 2,
                State::Length(_) => 4,
                State::End | State::Bad => {
                    self.state = State::Bad;
                    return;
                }
            };
            let taken = bytes.len().min(wanted - self.number.len());
            let (number, rest) = bytes.split_at(taken);
            self.number.extend_from_slice(number);
            bytes = rest;
            if self.number.len() == wanted {
                self.number();
            }
        }
    }

    fn number(&mut self) {
        let number = std::mem::take(&mut self.number);
        self.state = match (self.state, &number[..]) {
            (State::Fields, [0xFF, 0xFF]) => State::End,
            (State::Fields, [high, low]) => {
                self.count += 1;
                after_fields(u16::from_be_bytes([*high, *low]))
            }
            (State::Length(left), [a, b, c, d]) => match i32::from_be_bytes([*a, *b, *c, *d]) {
                -1 => after_fields(left - 1),
                length => match u64::try_from(length) {
                    Ok(0) => after_fields(left - 1),
                    Ok(length) => State::Skip(length, After::Fields(left - 1)),
                    Err(_) => State::Bad,
                },
            },
            _ => State::Bad,
        };
    }

    fn skip(&mut self, left: u64, after: After) {
        self.state = match (left, after) {
            (0, After::Row) => State::Fields,
            (0, After::Fields(fields)) => after_fields(fields),
            // No version writes an extension, so its length is skipped like the rest of the header.
            (0, After::Extension) => State::Skip(4, After::Row),
            (left, after) => State::Skip(left, after),
        };
    }

    /// How many rows there were, if the end was reached and nothing came behind it.
    fn finished(&self) -> Option<u64> {
        (self.state == State::End).then_some(self.count)
    }
}

const fn after_fields(left: u16) -> State {
    if left == 0 { State::Fields } else { State::Length(left) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::log::{CopyRows, Field};

    #[test]
    fn rows_are_counted_however_the_bytes_are_cut() {
        let mut copied = CopyRows::new(3);
        for number in 0..20 {
            copied.push([
                Field::Big(number),
                Field::Null,
                Field::Text(if number % 2 == 0 { "" } else { "text" }),
            ]);
        }
        let bytes = copied.finished();
        for cut in [1, 2, 3, 7, 1_000] {
            let mut rows = Rows::default();
            bytes.chunks(cut).for_each(|chunk| rows.feed(chunk));
            assert_eq!(rows.finished(), Some(20), "{cut}");
        }
        for length in 0..bytes.len() {
            let mut rows = Rows::default();
            rows.feed(&bytes[..length]);
            assert_eq!(rows.finished(), None, "{length}");
        }
        let mut rows = Rows::default();
        rows.feed(&bytes);
        rows.feed(b"x");
        assert_eq!(rows.finished(), None);
    }

    #[test]
    fn a_day_is_read_off_a_name() {
        assert_eq!(day_of("exchange", "exchange_20261125"), Day::parse("2026-11-25"));
        for name in ["exchange_open", "exchange_2026112", "property_20261125", "exchange_20261399"] {
            assert_eq!(day_of("exchange", name), None, "{name}");
        }
    }
}
