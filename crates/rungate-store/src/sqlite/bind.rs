//! Values and conditions in SQLite's own types.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value as Sql, ValueRef};
use uuid::Uuid;

use crate::sql::{Dialect, Value};

/// SQLite's dialect.
pub(crate) static DIALECT: Dialect = Dialect { placeholder: '?', find: "instr", exchange_key: "seq" };

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(text) | Self::Part(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Integer(value) => ToSqlOutput::Owned(Sql::Integer(*value)),
            Self::Uuid(id) => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())),
        })
    }
}

/// A UUID in a column.
pub(crate) fn blob(id: Uuid) -> [u8; 16] {
    id.into_bytes()
}

/// The UUID of a column.
pub(crate) fn uuid(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get::<_, [u8; 16]>(column).map(Uuid::from_bytes)
}
