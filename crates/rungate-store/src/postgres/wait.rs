//! Waits at the start for a server that is starting too, and not for one that refuses us.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use deadpool_postgres::PoolError;
use rungate_core::ports::StoreError;
use tokio::time::Instant;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::error::{self, OrStoreError, column};
use super::pool::{Connection, Pool};
use super::url::DatabaseUrl;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The oldest release that the tables are made for, as the server numbers itself.
const OLDEST: i32 = 150_000;

/// Returns once the server answers; an error at once when it refuses us, and after `patience` when it is not there.
pub(crate) async fn until_reachable(url: &DatabaseUrl, patience: Duration) -> Result<(), StoreError> {
    let pool = Pool::new(url, 1)?;
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match pool.connect().await {
            Ok(connection) => return check(&connection).await,
            Err(error) => error,
        };
        let reason = error::pool(&error);
        if !may_pass(&error) {
            return Err(reason);
        }
        if Instant::now() + pause > deadline {
            if patience.is_zero() {
                return Err(reason);
            }
            return Err(StoreError::Unavailable(format!(
                "{url} could not be reached for {} s ({reason}); start the server, or correct RUNGATE_STORE_URL",
                patience.as_secs()
            )));
        }
        tracing::warn!(%url, %reason, "waiting for PostgreSQL");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What cannot be made up for later.
async fn check(connection: &Connection) -> Result<(), StoreError> {
    let sql = "SELECT current_setting('server_version_num')::integer, current_setting('synchronous_commit'), \
               current_setting('server_encoding')";
    let row = connection.query_one(sql, &[]).await.or_store()?;
    let (version, synchronous, encoding): (i32, String, String) =
        (column(&row, 0)?, column(&row, 1)?, column(&row, 2)?);
    if version < OLDEST {
        return Err(StoreError::Unavailable(format!(
            "the server is PostgreSQL {}; Rungate needs {} or newer",
            version / 10_000,
            OLDEST / 10_000
        )));
    }
    if encoding != "UTF8" {
        return Err(StoreError::Unavailable(format!(
            "the database keeps text as {encoding}; make one with ENCODING 'UTF8'"
        )));
    }
    if synchronous == "off" {
        tracing::warn!("synchronous_commit is off: what PostgreSQL has confirmed may be lost when it stops");
    }
    Ok(())
}

/// Whether the server may just not be up yet.
fn may_pass(error: &PoolError) -> bool {
    match error {
        PoolError::Timeout(_) => true,
        PoolError::Backend(error) => match error.code() {
            Some(code) => *code == SqlState::CANNOT_CONNECT_NOW || *code == SqlState::TOO_MANY_CONNECTIONS,
            None => error.is_closed() || is_of_the_network(error),
        },
        _ => false,
    }
}

fn is_of_the_network(error: &Error) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    // A certificate that is not trusted comes as invalid data.
    cause.is_some_and(|cause| cause.kind() != io::ErrorKind::InvalidData)
}
