//! A log in memory that fails on demand, and keeps what it must keep: order, idempotence, open exchanges.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use rungate_core::exchange::{
    Erased, ExchangeFilter, ExchangeRecord, RebuildMode, Rebuilt, RollupQuery, RollupRow, Run, RunFilter,
    Sequence, Sequenced, Session, SessionFilter, Subject,
};
use rungate_core::id::{ExchangeId, RequestId, RunId, SessionId, WorkspaceId};
use rungate_core::money::NanoUsd;
use rungate_core::page::{Page, PageRequest};
use rungate_core::ports::{Bodies, Dropped, Expired, Expiry, Log, Row, StoreError};
use rungate_core::time::Day;
use rungate_core::trail::{Contents, TrailFilter, TrailRow};
use tokio::sync::Semaphore;

/// What the next call of `apply` does.
pub(super) enum Step {
    /// Applies nothing.
    Fail(StoreError),
    /// Applies the batch, but says it did not.
    ApplyThenFail,
    /// Applies the batch, and never returns.
    ApplyThenHang,
}

#[derive(Default)]
pub(super) struct FakeLog {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    plan: VecDeque<Step>,
    applied: u64,
    applications: Vec<u64>,
    records: BTreeMap<ExchangeId, ExchangeRecord>,
    batches: Vec<usize>,
}

impl FakeLog {
    pub(super) fn plan(&self, steps: impl IntoIterator<Item = Step>) {
        self.state.lock().unwrap().plan.extend(steps);
    }

    /// Every sequence that took effect, in order.
    pub(super) fn applications(&self) -> Vec<u64> {
        self.state.lock().unwrap().applications.clone()
    }

    pub(super) fn batches(&self) -> Vec<usize> {
        self.state.lock().unwrap().batches.clone()
    }

    pub(super) fn records(&self) -> Vec<ExchangeRecord> {
        self.state.lock().unwrap().records.values().cloned().collect()
    }
}

impl State {
    fn apply(&mut self, batch: &[Sequenced]) {
        assert!(batch.is_sorted_by(|a, b| a.sequence < b.sequence));
        self.batches.push(batch.len());
        for entry in batch.iter().filter(|entry| entry.sequence.0 > self.applied) {
            self.applications.push(entry.sequence.0);
            if let Some(record) = entry.entry.record() {
                self.records.insert(record.id, ExchangeRecord::clone(record));
            }
        }
        self.applied = batch.last().map_or(self.applied, |last| self.applied.max(last.sequence.0));
    }
}

fn absent<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("this fake is only written to".to_owned()))
}

#[async_trait]
impl Log for FakeLog {
    async fn apply(&self, batch: &[Sequenced]) -> Result<(), StoreError> {
        let step = self.state.lock().unwrap().plan.pop_front();
        match step {
            Some(Step::Fail(error)) => return Err(error),
            Some(Step::ApplyThenFail) => {
                self.state.lock().unwrap().apply(batch);
                return Err(StoreError::Unavailable("the answer was lost".to_owned()));
            }
            Some(Step::ApplyThenHang) => {
                self.state.lock().unwrap().apply(batch);
                drop(Semaphore::new(0).acquire().await);
            }
            None => self.state.lock().unwrap().apply(batch),
        }
        Ok(())
    }

    async fn applied(&self) -> Result<Sequence, StoreError> {
        Ok(Sequence(self.state.lock().unwrap().applied))
    }

    async fn pending(&self) -> Result<Vec<ExchangeRecord>, StoreError> {
        Ok(self.records().into_iter().filter(|record| !record.is_closed()).collect())
    }

    async fn get(&self, _: WorkspaceId, _: ExchangeId) -> Result<Option<Row>, StoreError> {
        absent()
    }

    async fn by_request_id(&self, _: WorkspaceId, _: &RequestId, _: usize) -> Result<Vec<Row>, StoreError> {
        absent()
    }

    async fn by_response_id(&self, _: WorkspaceId, _: &str) -> Result<Option<ExchangeRecord>, StoreError> {
        absent()
    }

    async fn find(
        &self,
        _: WorkspaceId,
        _: &ExchangeFilter,
        _: &PageRequest,
    ) -> Result<Page<Row>, StoreError> {
        absent()
    }

    async fn trail(
        &self,
        _: WorkspaceId,
        _: &TrailFilter,
        _: Contents,
        _: &PageRequest,
    ) -> Result<Page<TrailRow>, StoreError> {
        absent()
    }

    async fn count(&self, _: WorkspaceId, _: &ExchangeFilter) -> Result<u64, StoreError> {
        absent()
    }

    async fn charged(&self, _: WorkspaceId, _: &ExchangeFilter) -> Result<NanoUsd, StoreError> {
        absent()
    }

    async fn bodies(&self, _: WorkspaceId, _: ExchangeId) -> Result<Option<Bodies>, StoreError> {
        absent()
    }

    async fn run(&self, _: WorkspaceId, _: &RunId) -> Result<Option<Run>, StoreError> {
        absent()
    }

    async fn run_by_uuid(&self, _: WorkspaceId, _: uuid::Uuid) -> Result<Option<Run>, StoreError> {
        absent()
    }

    async fn runs(&self, _: WorkspaceId, _: &RunFilter, _: &PageRequest) -> Result<Page<Run>, StoreError> {
        absent()
    }

    async fn session(&self, _: WorkspaceId, _: &SessionId) -> Result<Option<Session>, StoreError> {
        absent()
    }

    async fn sessions(
        &self,
        _: WorkspaceId,
        _: &SessionFilter,
        _: &PageRequest,
    ) -> Result<Page<Session>, StoreError> {
        absent()
    }

    async fn rollup(&self, _: WorkspaceId, _: &RollupQuery) -> Result<Vec<RollupRow>, StoreError> {
        absent()
    }

    async fn rollup_properties(&self, _: WorkspaceId) -> Result<Vec<String>, StoreError> {
        absent()
    }

    async fn set_rollup_properties(&self, _: WorkspaceId, _: &[String]) -> Result<(), StoreError> {
        absent()
    }

    async fn row_days(&self) -> Result<Vec<Day>, StoreError> {
        absent()
    }

    async fn rebuild_rollups(&self, _: Day, _: RebuildMode) -> Result<Rebuilt, StoreError> {
        absent()
    }

    async fn erase(&self, _: WorkspaceId, _: &Subject) -> Result<Erased, StoreError> {
        Ok(Erased::default())
    }

    async fn expire(&self, _: Day, _: &[Expiry]) -> Result<Expired, StoreError> {
        absent()
    }

    async fn retain(&self, _: Day, _: Day, _: Day) -> Result<Dropped, StoreError> {
        absent()
    }
}
