//! Rows in the binary format of COPY.

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::SinkExt as _;
use tokio_postgres::{Error, Statement, Transaction};
use uuid::Uuid;

use super::super::bind::{indexed, storable};

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Rows to copy into a table.
#[derive(Debug)]
pub(crate) struct CopyRows {
    columns: i16,
    rows: usize,
    bytes: BytesMut,
}

/// A value of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field<'a> {
    /// NULL.
    Null,
    /// `smallint`.
    Small(i16),
    /// `integer`.
    Integer(i32),
    /// `bigint`.
    Big(i64),
    /// `uuid`.
    Uuid(Uuid),
    /// `bytea`.
    Bytes(&'a [u8]),
    /// `text`, of any length and with any character.
    Text(&'a str),
    /// `text` with an index.
    Indexed(&'a str),
}

impl CopyRows {
    /// No rows yet, of so many columns.
    pub fn new(columns: usize) -> Self {
        let columns = i16::try_from(columns).unwrap_or(i16::MAX);
        Self { columns, rows: 0, bytes: BytesMut::from(HEADER) }
    }

    /// Adds a row; its fields are the table's columns that are copied, each of its type.
    pub fn push<'a>(&mut self, fields: impl IntoIterator<Item = Field<'a>>) {
        self.rows += 1;
        self.bytes.put_i16(self.columns);
        for field in fields {
            match field {
                Field::Null => self.bytes.put_i32(-1),
                Field::Small(value) => self.put(&value.to_be_bytes()),
                Field::Integer(value) => self.put(&value.to_be_bytes()),
                Field::Big(value) => self.put(&value.to_be_bytes()),
                Field::Uuid(value) => self.put(value.as_bytes()),
                Field::Bytes(bytes) => self.put(bytes),
                Field::Text(text) => self.put(storable(text).as_bytes()),
                Field::Indexed(text) => self.put(indexed(text).as_bytes()),
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        // A record is far below two gigabytes; the server refuses what is not.
        self.bytes.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        self.bytes.put_slice(bytes);
    }

    /// All bytes, with the end.
    pub fn finished(mut self) -> Bytes {
        self.bytes.put_i16(-1);
        self.bytes.freeze()
    }

    /// Sends the rows; nothing when there are none.
    pub async fn send(self, transaction: &Transaction<'_>, copy: &Statement) -> Result<u64, Error> {
        if self.rows == 0 {
            return Ok(0);
        }
        let mut sink = Box::pin(transaction.copy_in(copy).await?);
        sink.send(self.finished()).await?;
        sink.as_mut().finish().await
    }
}

/// A field that may be NULL.
pub(crate) fn some<'a, T>(value: Option<T>, field: impl FnOnce(T) -> Field<'a>) -> Field<'a> {
    value.map_or(Field::Null, field)
}
