//! Values and conditions in PostgreSQL's own types.

use std::borrow::Cow;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::sql::{Dialect, Value};

/// PostgreSQL's dialect.
pub(crate) static DIALECT: Dialect = Dialect { placeholder: '$', find: "strpos", exchange_key: "id" };

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Text(text) => indexed(text).to_sql(kind, out),
            Self::Part(text) => storable(text).to_sql(kind, out),
            // A condition over a narrower column takes its type; no value of ours for it is wider.
            Self::Integer(value) if *kind == Type::INT4 => i32::try_from(*value)?.to_sql(kind, out),
            Self::Integer(value) if *kind == Type::INT2 => i16::try_from(*value)?.to_sql(kind, out),
            Self::Integer(value) => value.to_sql(kind, out),
            Self::Uuid(id) => id.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::TEXT | Type::VARCHAR | Type::INT2 | Type::INT4 | Type::INT8 | Type::UUID)
    }

    to_sql_checked!();
}

/// Values as parameters of a statement.
pub(crate) fn parameters(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// Values as parameters that carry their type, for a statement that is planned anew each time.
pub(crate) fn typed_parameters(values: &[Value]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    let kind = |value: &Value| match value {
        Value::Text(_) | Value::Part(_) => Type::TEXT,
        Value::Integer(_) => Type::INT8,
        Value::Uuid(_) => Type::UUID,
    };
    values.iter().map(|value| (value as &(dyn ToSql + Sync), kind(value))).collect()
}

/// A text without the one character that PostgreSQL cannot keep: U+0000 becomes the noncharacter U+FFFF, in what is kept
/// and in what is looked for.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{ffff}")) } else { Cow::Borrowed(text) }
}

/// What [`storable`] made of a text.
pub(crate) fn restored(text: &str) -> Cow<'_, str> {
    if text.contains('\u{ffff}') { Cow::Owned(text.replace('\u{ffff}', "\0")) } else { Cow::Borrowed(text) }
}

/// An entry of an index has room for 2.7 kB; nothing that the gateway lets in comes near.
const INDEXED_BYTES: usize = 1_100;

/// A text as columns with an index keep it: storable, and with a checksum in place of what is too long.
pub(crate) fn indexed(text: &str) -> Cow<'_, str> {
    let text = storable(text);
    if text.len() <= INDEXED_BYTES {
        return text;
    }
    // With room for the rest, so that it stays as it is when it is made indexable again.
    let start = &text[..text.floor_char_boundary(INDEXED_BYTES - 40)];
    let checksum = crc32fast::hash(text.as_bytes());
    Cow::Owned(format!("{start}… {} {checksum:08x}", text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_made_storable_and_indexable_once() {
        let long = "ä\0".repeat(900);
        for text in ["", "plain", "a\0b", &long, &format!("{long}x")] {
            let kept = indexed(text).into_owned();
            assert!(!kept.contains('\0') && kept.len() <= INDEXED_BYTES, "{kept}");
            assert_eq!(indexed(&kept), kept);
        }
        assert_ne!(indexed(&long), indexed(&format!("{long}x")));
        assert_eq!(restored(&storable("a\0b")), "a\0b");
    }
}
