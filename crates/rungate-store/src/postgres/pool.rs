//! Connections, made when needed and kept; each with its cache of prepared statements.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, RecyclingMethod, Runtime};
use rungate_core::ports::StoreError;

use super::error;
use super::tls;
use super::url::DatabaseUrl;

/// A connection from a [`Pool`]; it goes back when dropped. `prepare_cached` keeps statements prepared.
pub(crate) type Connection = Object;

/// Longest wait for a connection of the pool, for a new one, and for an old one's sign of life.
const WAIT: Duration = Duration::from_secs(10);
const CREATE: Duration = Duration::from_secs(10);
const RECYCLE: Duration = Duration::from_secs(5);

/// What holds for every connection: no statement, lock or forgotten transaction holds one for ever.
pub(crate) const SESSION: [(&str, &str); 3] =
    [("statement_timeout", "30s"), ("lock_timeout", "10s"), ("idle_in_transaction_session_timeout", "60s")];

/// A bounded number of connections to one database.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    inner: deadpool_postgres::Pool,
}

impl Pool {
    /// Of at most `size` connections. Connects when the first one is asked for.
    pub fn new(url: &DatabaseUrl, size: usize) -> Result<Self, StoreError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(url.config(&SESSION), tls::connector(url)?, recycling);
        let inner = deadpool_postgres::Pool::builder(manager)
            .max_size(size)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CREATE))
            .recycle_timeout(Some(RECYCLE))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { inner })
    }

    /// A connection, after a bounded wait.
    pub async fn get(&self) -> Result<Connection, StoreError> {
        self.inner.get().await.map_err(|error| error::pool(&error))
    }

    /// Gives out no more connections, and ends those that come back.
    pub fn close(&self) {
        self.inner.close();
    }
}
