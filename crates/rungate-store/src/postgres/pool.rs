//! Connections, made when needed and kept; each with its cache of prepared statements.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, PoolError, QueueMode, RecyclingMethod, Runtime};
use rungate_core::ports::StoreError;

use super::error;
use super::tls;
use super::url::DatabaseUrl;

/// A connection from a [`Pool`]; it goes back when dropped. `prepare_cached` keeps statements prepared.
pub(crate) type Connection = Object;

/// A connection that is closed when dropped, with whatever it still does and holds, unless it is given back.
pub(crate) struct Lent(Option<Connection>);

impl Lent {
    /// The connection.
    pub fn connection(&self) -> Result<&Connection, StoreError> {
        self.0.as_ref().ok_or_else(error::closed)
    }

    /// Gives it back: what it was asked is answered, and it holds nothing.
    pub fn give_back(mut self) {
        self.0 = None;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Connection::take(connection));
        }
    }
}

/// Longest wait for a connection of the pool, for a new one, and for an old one's sign of life.
const WAIT: Duration = Duration::from_secs(10);
const CREATE: Duration = Duration::from_secs(10);
const RECYCLE: Duration = Duration::from_secs(5);

/// What holds for every connection: no statement, lock or forgotten transaction holds one for ever.
pub(crate) const SESSION: [(&str, &str); 5] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "60s"),
    // A query that nobody waits for any longer ends.
    ("client_connection_check_interval", "2s"),
    // Compiling takes longer than any query of ours.
    ("jit", "off"),
];

/// A bounded number of connections to one database.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    inner: deadpool_postgres::Pool,
}

impl Pool {
    /// Of at most `size` connections. Connects when the first one is asked for.
    pub fn new(url: &DatabaseUrl, size: usize) -> Result<Self, StoreError> {
        // Asked before each use: after the server was away, no caller is given what it left behind.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Verified };
        let manager = Manager::from_config(url.config(&SESSION), tls::connector(url)?, recycling);
        let inner = deadpool_postgres::Pool::builder(manager)
            .max_size(size)
            // The connection that was used last has its plans at hand; each plans anew what it has not asked yet.
            .queue_mode(QueueMode::Lifo)
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
        self.connect().await.map_err(|error| error::pool(&error))
    }

    /// Like [`Pool::get`], for who must know why there is none.
    pub async fn connect(&self) -> Result<Connection, PoolError> {
        self.inner.get().await
    }

    /// A connection for what may be given up in the middle.
    pub async fn lend(&self) -> Result<Lent, StoreError> {
        Ok(Lent(Some(self.get().await?)))
    }

    /// Gives out no more connections, and ends those that come back.
    pub fn close(&self) {
        self.inner.close();
    }
}
