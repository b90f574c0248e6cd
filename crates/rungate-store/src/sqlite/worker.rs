//! The writer: one thread that owns what it writes to, and takes one job after another.

use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rungate_core::ports::StoreError;
use tokio::sync::{mpsc, oneshot};

use super::error;

/// Jobs that may wait; more wait at the sender.
const WAITING: usize = 64;

enum Job<S> {
    Run(Box<dyn FnOnce(&mut S) + Send>),
    Stop,
}

/// A thread that owns an `S`.
pub(crate) struct Worker<S> {
    jobs: mpsc::Sender<Job<S>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<S: Send + 'static> Worker<S> {
    /// Starts the thread; `end` is the last thing done with the state.
    pub fn start(name: &str, mut state: S, end: impl FnOnce(S) + Send + 'static) -> Result<Self, StoreError> {
        let (jobs, mut waiting) = mpsc::channel(WAITING);
        let run = move || {
            while let Some(Job::Run(job)) = waiting.blocking_recv() {
                job(&mut state);
            }
            end(state);
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { jobs, thread: Mutex::new(Some(thread)) })
    }

    /// Has the thread do `job`. A job that was accepted is done even if nobody waits for it any longer.
    pub async fn run<T, E>(&self, job: impl FnOnce(&mut S) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, done) = oneshot::channel();
        let job = Job::Run(Box::new(move |state: &mut S| {
            // Nobody may wait any longer; the job is done all the same.
            let _ = answer.send(job(state));
        }));
        self.jobs.send(job).await.map_err(|_| error::closed())?;
        done.await.map_err(|_| error::closed())?
    }

    /// Lets the thread finish the jobs it has, and waits for its end.
    pub async fn stop(&self) {
        // It may have ended already.
        let _ = self.jobs.send(Job::Stop).await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("a writer of the store ended by a fault");
            }
        }
    }
}
