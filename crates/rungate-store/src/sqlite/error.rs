//! Turns errors of SQLite and of the file system into the two kinds the ports know.

use rungate_core::ports::StoreError;
use rusqlite::ErrorCode;

pub(crate) use crate::folder::unusable as io;

/// An error of SQLite: damaged where the file or a value in it cannot be read, unavailable otherwise.
pub(crate) fn sqlite(error: &rusqlite::Error) -> StoreError {
    let damaged = match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        }
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    };
    if damaged { StoreError::Corrupt(error.to_string()) } else { StoreError::Unavailable(error.to_string()) }
}

/// The store has been closed.
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable("it has been closed".to_owned())
}

/// An error of SQLite within a [`StoreError`] result.
pub(crate) trait OrStoreError<T> {
    /// Converts the error.
    fn or_store(self) -> Result<T, StoreError>;
}

impl<T> OrStoreError<T> for rusqlite::Result<T> {
    fn or_store(self) -> Result<T, StoreError> {
        self.map_err(|error| sqlite(&error))
    }
}
