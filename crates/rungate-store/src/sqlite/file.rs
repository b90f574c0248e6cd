//! Opens one SQLite file the way every file of the store is opened.

use std::path::Path;
use std::time::Duration;

use rungate_core::ports::StoreError;
use rusqlite::{Connection, OpenFlags};

use super::error::{self, OrStoreError};
use super::folder;
use super::migrate::{Schema, migrate};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The one writer; makes the file if it is absent.
    Write,
    /// One of the readers; the file must be there.
    Read,
}

/// Opens `path` and brings it to `schema`.
pub(crate) fn open(path: &Path, schema: Schema, access: Access) -> Result<Connection, StoreError> {
    if access == Access::Write && !path.exists() {
        // SQLite would make it readable for others; its `-wal` and `-shm` take over the mode of the file.
        folder::private().open(path).map_err(|error| error::io(path, &error))?;
        path.parent().map_or(Ok(()), folder::sync_names)?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).or_store()?;
    prepare(&mut connection, schema, access).map_err(|error| name(path, error))?;
    Ok(connection)
}

fn prepare(connection: &mut Connection, schema: Schema, access: Access) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::from_secs(5)).or_store()?;
    connection.pragma_update(None, "page_size", 8192).or_store()?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).or_store()?;
    if mode != "wal" {
        return Err(StoreError::Unavailable("the file system does not allow a write-ahead log".to_owned()));
    }
    connection.pragma_update(None, "synchronous", "full").or_store()?;
    // A negative size is in KiB. Small, since many files may be open; the kernel caches the rest.
    let cache_kib = if access == Access::Write { 8192 } else { 256 };
    connection.pragma_update(None, "cache_size", -cache_kib).or_store()?;
    // As much as the write-ahead log keeps. Pages that many commits change are written over in it rather than twice.
    connection.pragma_update(None, "wal_autocheckpoint", 2000).or_store()?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20).or_store()?;
    connection.pragma_update(None, "trusted_schema", false).or_store()?;
    // What is overwritten or deleted is gone from its page, so that an erasure leaves no older state behind.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(())).or_store()?;
    // Readers too, since a file of an older version may be read before it is written; the write lock orders them.
    migrate(connection, schema)?;
    if access == Access::Read {
        connection.pragma_update(None, "query_only", true).or_store()?;
    }
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Writes everything into the main file and empties the write-ahead log, as far as readers allow.
pub(crate) fn checkpoint(connection: &Connection) {
    let result = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    if let Err(error) = result {
        tracing::warn!(file = connection.path(), %error, "the write-ahead log was not folded in; the next start does it");
    }
}

/// Adds the name of the file to an error.
pub(crate) fn name(path: &Path, error: StoreError) -> StoreError {
    let shown = path.display().to_string();
    match error {
        StoreError::Unavailable(text) if !text.contains(&shown) => {
            StoreError::Unavailable(format!("{shown}: {text}"))
        }
        StoreError::Corrupt(text) if !text.contains(&shown) => {
            StoreError::Corrupt(format!("{shown}: {text}"))
        }
        named => named,
    }
}
