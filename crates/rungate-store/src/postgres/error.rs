//! Turns errors of PostgreSQL into the two kinds the ports know.

use std::error::Error as _;

use deadpool_postgres::PoolError;
use deadpool_postgres::TimeoutType;
use rungate_core::ports::StoreError;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::FromSql;
use tokio_postgres::{Error, Row};

/// An error of PostgreSQL: damaged where the server says that data is, unavailable otherwise.
pub(crate) fn postgres(error: &Error) -> StoreError {
    let damaged = matches!(error.code(), Some(&SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED));
    let text = text(error);
    if damaged { StoreError::Corrupt(text) } else { StoreError::Unavailable(text) }
}

/// What the server said, or what happened on the way to it. Neither holds the password.
fn text(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        let remedy = if *said.code() == SqlState::INSUFFICIENT_PRIVILEGE {
            "; the user of RUNGATE_STORE_URL must be the owner of the database, or may use and create in its schema"
        } else {
            ""
        };
        return format!("PostgreSQL says: {} ({}){remedy}", said.message(), said.code().code());
    }
    match error.source() {
        Some(source) => format!("PostgreSQL: {error}: {source}"),
        None => format!("PostgreSQL: {error}"),
    }
}

/// Why the pool gave no connection.
pub(crate) fn pool(error: &PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => postgres(error),
        PoolError::Timeout(TimeoutType::Wait) => {
            StoreError::Unavailable("all connections to PostgreSQL are in use".to_owned())
        }
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
            StoreError::Unavailable("PostgreSQL does not answer".to_owned())
        }
        PoolError::Closed => closed(),
        other => StoreError::Unavailable(other.to_string()),
    }
}

/// The store has been closed.
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable("it has been closed".to_owned())
}

/// The value of a column; damaged when it is of another type than the schema has.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, StoreError> {
    row.try_get(index).map_err(|error| StoreError::Corrupt(text(&error)))
}

/// An error of PostgreSQL within a [`StoreError`] result.
pub(crate) trait OrStoreError<T> {
    /// Converts the error.
    fn or_store(self) -> Result<T, StoreError>;
}

impl<T> OrStoreError<T> for Result<T, Error> {
    fn or_store(self) -> Result<T, StoreError> {
        self.map_err(|error| postgres(&error))
    }
}
