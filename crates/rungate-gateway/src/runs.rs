//! What runs have done, for rules that look back: how many requests, since when, and the last inputs.
//!
//! Counted here as requests come in, so that requests at the same time see each other; what was before the start is read from
//! the log once.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rungate_core::exchange::Sequence;
use rungate_core::id::{RunId, WorkspaceId};
use rungate_core::policy::RunFacts;
use rungate_core::ports::{Log, StoreError};
use rungate_core::time::Timestamp;

use crate::journal::Journal;

/// Runs that are remembered; beyond it the ones that were quiet longest are read again when they come back.
const MAX_RUNS: usize = 50_000;
/// Inputs of a run that are remembered.
const MAX_INPUTS: usize = 100;
/// How long the log may take to have what came before requests were counted here.
const PATIENCE: Duration = Duration::from_secs(2);

type Key = (WorkspaceId, RunId);

/// Remembers runs. One per process.
pub struct Runs {
    known: Mutex<Known>,
    hasher: RandomState,
    log: Arc<dyn Log>,
    journal: Arc<Journal>,
}

#[derive(Debug, Default)]
struct Known {
    runs: HashMap<Key, History>,
    /// Up to where the log must have come before a run of the workspace is read from it: what came later is counted here.
    since: HashMap<WorkspaceId, Sequence>,
}

#[derive(Debug, Clone)]
struct History {
    first: Timestamp,
    last: Timestamp,
    requests: u64,
    inputs: VecDeque<(Timestamp, u64)>,
}

/// What a run had done before a request of it.
#[derive(Debug, Clone, Default)]
pub struct Run {
    first: Option<Timestamp>,
    requests: u64,
    input: u64,
    inputs: Vec<(Timestamp, u64)>,
}

impl Run {
    /// As rules see it.
    pub fn facts(&self, now: Timestamp) -> RunFacts<'_> {
        RunFacts {
            requests: self.requests,
            age: self.first.map_or(Duration::ZERO, |first| now.since(first)),
            input_hash: self.input,
            recent: &self.inputs,
        }
    }
}

impl Runs {
    /// Nothing remembered.
    pub fn new(log: Arc<dyn Log>, journal: Arc<Journal>) -> Self {
        Self { known: Mutex::default(), hasher: RandomState::new(), log, journal }
    }

    /// Counts a request; what its run had done before it.
    pub async fn note(
        &self,
        workspace: WorkspaceId,
        run: &RunId,
        at: Timestamp,
        input: &[u8],
    ) -> Result<Run, StoreError> {
        let input = self.hasher.hash_one(input);
        let key = (workspace, run.clone());
        if let Some(run) = self.count(&key, at, input, None) {
            return Ok(run);
        }
        if !self.journal.wait_applied(self.counted_since(workspace), PATIENCE).await {
            return Err(StoreError::Unavailable("the log is behind the journal".to_owned()));
        }
        let before = self.log.run(workspace, run).await?;
        let history = History {
            first: before.as_ref().map_or(at, |run| run.started_at),
            last: at,
            requests: before.map_or(0, |run| run.totals.requests.saturating_add(run.open)),
            inputs: VecDeque::new(),
        };
        Ok(self.count(&key, at, input, Some(history)).unwrap_or_default())
    }

    fn counted_since(&self, workspace: WorkspaceId) -> Sequence {
        *self.known().since.entry(workspace).or_insert_with(|| self.journal.last())
    }

    /// Counts a request of a run that is known, or that is now; `None` when it is not.
    fn count(&self, key: &Key, at: Timestamp, input: u64, read: Option<History>) -> Option<Run> {
        let mut known = self.known();
        if let Some(read) = read
            && !known.runs.contains_key(key)
        {
            if known.runs.len() >= MAX_RUNS {
                forget(&mut known.runs);
                let last = self.journal.last();
                known.since.values_mut().for_each(|since| *since = last);
            }
            known.runs.insert(key.clone(), read);
        }
        let history = known.runs.get_mut(key)?;
        let run = Run {
            first: Some(history.first),
            requests: history.requests,
            input,
            inputs: history.inputs.iter().copied().collect(),
        };
        history.requests += 1;
        history.last = history.last.max(at);
        if history.inputs.len() == MAX_INPUTS {
            history.inputs.pop_front();
        }
        history.inputs.push_back((at, input));
        Some(run)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the quieter half, so that this is seldom done.
fn forget(known: &mut HashMap<Key, History>) {
    let mut times: Vec<Timestamp> = known.values().map(|history| history.last).collect();
    let middle = times.len() / 2;
    let (_, middle, _) = times.select_nth_unstable(middle);
    let middle = *middle;
    known.retain(|_, history| history.last > middle);
}
