//! The readers: a few slots, each used by one query at a time on a blocking thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rungate_core::ports::StoreError;
use tokio::sync::Semaphore;

use super::error;

/// A bounded set of slots.
pub(crate) struct Pool<S> {
    free: Arc<Mutex<Vec<S>>>,
    permits: Arc<Semaphore>,
    size: u32,
}

/// Says whether somebody still waits for the answer, so that a long search can stop.
#[derive(Debug, Clone)]
pub(crate) struct Waiting(Arc<AtomicBool>);

impl Waiting {
    /// An error once nobody waits any longer.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.0.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(StoreError::Unavailable("nobody waits for the answer any longer".to_owned()))
    }
}

struct EndOnDrop(Waiting);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

impl<S: Send + 'static> Pool<S> {
    /// A pool of these slots.
    pub fn new(slots: Vec<S>) -> Self {
        let permits = Arc::new(Semaphore::new(slots.len()));
        let size = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        Self { free: Arc::new(Mutex::new(slots)), permits, size }
    }

    /// Runs a query on a slot; waits while all are taken.
    pub async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut S, &Waiting) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| error::closed())?;
        let free = Arc::clone(&self.free);
        let waiting = Waiting(Arc::new(AtomicBool::new(true)));
        let _end = EndOnDrop(waiting.clone());
        let run = move || {
            let mut slot = take(&free).ok_or_else(error::closed)?;
            let result = query(&mut slot, &waiting);
            free.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
            drop(permit);
            result
        };
        tokio::task::spawn_blocking(run)
            .await
            .map_err(|error| StoreError::Unavailable(format!("a reader of the store failed: {error}")))?
    }

    /// Waits for the queries that run and drops the slots.
    pub async fn close(&self) {
        // An error means that it is closed already.
        if let Ok(all) = self.permits.acquire_many(self.size).await {
            self.permits.close();
            self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
            drop(all);
        }
    }
}

fn take<S>(free: &Mutex<Vec<S>>) -> Option<S> {
    free.lock().unwrap_or_else(PoisonError::into_inner).pop()
}
