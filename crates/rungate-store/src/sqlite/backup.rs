//! Copies the files of a data folder that a server may be writing, and looks whether a copy is whole.
//!
//! Each database is copied as of one moment, in a transaction that holds nobody up. The order makes the copies fit each
//! other: `views.db` comes first, since its place in the journal is where a replay begins; a day copied later has at
//! least everything up to that place, and leaves out what it is given twice; the bodies of a day come after its rows,
//! so that they have every block that these rows refer to.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rungate_core::ports::StoreError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use super::error::{self, OrStoreError};
use super::log::{check_blocks, day_files};
use super::migrate::{self, Schema};
use super::{file, folder};
use crate::record::unsigned;

/// So many pages are copied before others get a turn.
const PAGES: std::ffi::c_int = 4_096;
const PAUSE: Duration = Duration::from_millis(20);

const CONTROL: &str = "control.db";
const VIEWS: &str = "log/views.db";

/// What a copy holds, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contents {
    /// The place in the journal where a replay begins.
    pub applied: u64,
    /// Documents of the catalog.
    pub documents: u64,
    /// Days with rows.
    pub days: u64,
    /// Exchanges in them.
    pub exchanges: u64,
    /// Blocks of bodies that they refer to.
    pub body_blocks: u64,
}

/// Copies the log of the data folder `data` into the folder `to`. The journal must be held from before until after it
/// was copied. `tell` hears of each file.
pub fn copy_log(data: &Path, to: &Path, tell: &mut dyn FnMut(&str)) -> Result<(), StoreError> {
    fs::create_dir(to.join("log")).map_err(|error| error::io(&to.join("log"), &error))?;
    copy_database(data, to, VIEWS, tell)?;
    for (rows, bodies) in day_files(&data.join("log"))? {
        let (rows, bodies) = (format!("log/{rows}"), format!("log/{bodies}"));
        // Retention may have dropped the day meanwhile, or it is only being made: then the journal has all of it.
        if data.join(&rows).exists() {
            copy_database(data, to, &rows, tell)?;
        }
        copy_bodies(data, to, &bodies, tell)?;
    }
    Ok(())
}

/// Copies the catalog of the data folder `data` into the folder `to`; last, so that it knows whatever the log names.
pub fn copy_catalog(data: &Path, to: &Path, tell: &mut dyn FnMut(&str)) -> Result<(), StoreError> {
    copy_database(data, to, CONTROL, tell)
}

/// Copies a database, unless nothing stands in it yet, not even its schema.
fn copy_database(data: &Path, to: &Path, name: &str, tell: &mut dyn FnMut(&str)) -> Result<(), StoreError> {
    let (from, to) = (data.join(name), to.join(name));
    let is_made = copy_pages(&from, &to, &mut || tell(name)).map_err(|error| file::name(&from, error))?;
    if !is_made {
        return Ok(());
    }
    File::open(&to).and_then(|file| file.sync_all()).map_err(|error| error::io(&to, &error))
}

/// Gives whether there was something to copy; `begin` is called before that.
fn copy_pages(from: &Path, to: &Path, begin: &mut dyn FnMut()) -> Result<bool, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).or_store()?;
    source.busy_timeout(Duration::from_secs(5)).or_store()?;
    // A backup changes nothing, not even by folding in what a killed server left.
    source.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).or_store()?;
    // The read transaction fixes the moment; without it each write of the server would begin the copy anew.
    let moment = source.unchecked_transaction().or_store()?;
    if count(&moment, "SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(false);
    }
    begin();
    folder::private().create_new(true).open(to).map_err(|error| error::io(to, &error))?;
    let mut copy = Connection::open_with_flags(to, flags).or_store()?;
    let backup = Backup::new(&moment, &mut copy).or_store()?;
    loop {
        match backup.step(PAGES).or_store()? {
            StepResult::Done => return Ok(true),
            StepResult::Busy | StepResult::Locked => thread::sleep(PAUSE),
            _ => {}
        }
    }
}

/// A file that only grows: up to where it ends now.
fn copy_bodies(data: &Path, to: &Path, name: &str, tell: &mut dyn FnMut(&str)) -> Result<(), StoreError> {
    let (from, to) = (data.join(name), to.join(name));
    let source = match File::open(&from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|error| error::io(&from, &error))?,
    };
    tell(name);
    let length = source.metadata().map_err(|error| error::io(&from, &error))?.len();
    let copy = || {
        let mut copy = folder::private().create_new(true).open(&to)?;
        io::copy(&mut io::Read::take(source, length), &mut copy)?;
        copy.flush()?;
        copy.sync_all()
    };
    copy().map_err(|error| error::io(&to, &error))
}

/// Reads everything in the copy `dir` and changes nothing: databases are sound and of a schema that is known, and every
/// block of bodies that a row refers to is there and has its checksum.
pub fn inspect(dir: &Path) -> Result<Contents, StoreError> {
    let mut contents = Contents::default();
    let control = open_still(dir, CONTROL, migrate::CONTROL, "integrity_check")?;
    contents.documents = count(&control, "SELECT count(*) FROM document")?;
    let views = open_still(dir, VIEWS, migrate::VIEWS, "integrity_check")?;
    contents.applied = count(&views, "SELECT sequence FROM applied")?;
    for (rows, bodies) in day_files(&dir.join("log"))? {
        if !dir.join("log").join(&rows).exists() {
            continue;
        }
        let rows = open_still(dir, &format!("log/{rows}"), migrate::ROWS, "quick_check")?;
        contents.days += 1;
        contents.exchanges += count(&rows, "SELECT count(*) FROM exchange")?;
        let bodies = dir.join("log").join(bodies);
        if bodies.exists() {
            contents.body_blocks += check_blocks(&rows, &bodies)?;
        }
    }
    Ok(contents)
}

/// Opens a database that nobody writes, so that looking at it makes no file.
fn open_still(dir: &Path, name: &str, schema: Schema, check: &str) -> Result<Connection, StoreError> {
    let path = dir.join(name);
    let opened = || {
        // Also for a file that is missing, which SQLite would not name.
        File::open(&path).map_err(|error| error::io(&path, &error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(still_uri(&path), flags).or_store()?;
        let report: String =
            connection.query_row(&format!("PRAGMA {check}"), [], |row| row.get(0)).or_store()?;
        if report != "ok" {
            return Err(StoreError::Corrupt(report));
        }
        let version = count(&connection, "PRAGMA user_version")?;
        if version > schema.len() as u64 {
            return Err(StoreError::Unavailable(format!(
                "it has schema {version}, which is newer than this version of Rungate knows ({})",
                schema.len()
            )));
        }
        Ok(connection)
    };
    opened().map_err(|error| file::name(&path, error))
}

fn still_uri(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._".contains(byte);
    let shown = |byte: &u8| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    let path: String = path.as_os_str().as_bytes().iter().map(shown).collect();
    format!("file:{path}?immutable=1")
}

fn count(connection: &Connection, sql: &str) -> Result<u64, StoreError> {
    Ok(unsigned(connection.query_row(sql, [], |row| row.get(0)).or_store()?))
}
