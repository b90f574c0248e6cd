//! Hears of other nodes' commits at once. Only a hint: whoever listens also polls the revision.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use rungate_core::ports::StoreError;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_postgres::{AsyncMessage, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{self, OrStoreError};
use super::tls;
use super::url::DatabaseUrl;

/// Tells the listeners of all nodes, when the transaction it stands in commits.
pub(crate) const NOTIFY: &str = "NOTIFY rungate_catalog";
const LISTEN: &str = "LISTEN rungate_catalog";

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A connection of its own that listens, made again when it is lost.
#[derive(Debug)]
pub(crate) struct Listener {
    hints: Arc<Notify>,
    task: AbortHandle,
}

impl Listener {
    /// Begins to listen.
    pub fn start(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let hints = Arc::new(Notify::new());
        let config = url.config(&[("idle_session_timeout", "0")]);
        let task = tokio::spawn(run(config, tls::connector(url)?, Arc::clone(&hints)));
        Ok(Self { hints, task: task.abort_handle() })
    }

    /// Returns once something may have been committed since the last call. For one caller.
    pub async fn heard(&self) {
        self.hints.notified().await;
    }

    /// Ends the connection.
    pub fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn run(config: Config, tls: MakeRustlsConnect, hints: Arc<Notify>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut listened = false;
        if let Err(error) = listen(&config, tls.clone(), &hints, &mut listened).await {
            tracing::debug!(%error, "changes of other nodes are not heard of; they are polled for");
        }
        pause = if listened { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        tokio::time::sleep(pause).await;
    }
}

async fn listen(
    config: &Config,
    tls: MakeRustlsConnect,
    hints: &Notify,
    listened: &mut bool,
) -> Result<(), StoreError> {
    let (client, mut connection) = config.connect(tls).await.or_store()?;
    let mut listening = std::pin::pin!(client.batch_execute(LISTEN));
    loop {
        tokio::select! {
            begun = &mut listening, if !*listened => {
                begun.or_store()?;
                *listened = true;
                // Whatever was said while nobody listened.
                hints.notify_one();
            }
            message = poll_fn(|context| connection.poll_message(context)) => match message {
                Some(Ok(AsyncMessage::Notification(_))) => hints.notify_one(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error::postgres(&error)),
                None => return Ok(()),
            },
        }
    }
}
