//! The log role over partitioned tables.

mod bodies;
mod cells;
mod copy;
mod days;
mod erase;
mod expire;
mod reader;
mod rebuild;
mod rows;
mod summary;
#[cfg(test)]
mod tests;
mod trail;
mod views;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
use tokio::sync::Mutex;
use uuid::Uuid;

use super::migrate::{LOG, migrate};
use super::pool::Pool;
use super::url::DatabaseUrl;

#[cfg(test)]
pub(crate) use self::copy::{CopyRows, Field};
use self::days::Days;
pub(crate) use self::days::{make_partition, partition};
use self::reader::{Lookup, Reader};
use self::rebuild::Scope;
use self::writer::LogWriter;

/// Connections to write: one for batches, one for retention.
const WRITERS: usize = 2;

/// Connections to read.
const READERS: usize = reader::SEARCHES + 5;

/// Exchanges in a partition per day, and what outlives the days.
pub(crate) struct PostgresLog {
    node: Arc<str>,
    /// Batches of one node go one behind the other.
    writer: Mutex<LogWriter>,
    writers: Pool,
    reader: Reader,
    applied: Arc<AtomicU64>,
}

impl PostgresLog {
    /// Brings the tables up to date and finds the place of `node`'s journal. No two processes may use one name.
    pub async fn open(url: &DatabaseUrl, node: &str) -> Result<Self, StoreError> {
        let writers = Pool::new(url, WRITERS)?;
        migrate(&mut writers.get().await?, &LOG).await?;
        let writer = LogWriter::open(writers.clone(), node).await?;
        let reader = Reader::new(Pool::new(url, READERS)?);
        let applied = writer.applied();
        Ok(Self { node: node.into(), writer: Mutex::new(writer), writers, reader, applied })
    }

    /// Lets the batch end that is being applied, and ends the connections.
    pub async fn close(&self) {
        let writer = self.writer.lock().await;
        self.writers.close();
        self.reader.close();
        drop(writer);
    }
}

#[async_trait]
impl Log for PostgresLog {
    async fn apply(&self, batch: &[Sequenced]) -> Result<(), StoreError> {
        self.writer.lock().await.apply(batch).await
    }

    async fn applied(&self) -> Result<Sequence, StoreError> {
        Ok(Sequence(self.applied.load(Ordering::Acquire)))
    }

    async fn pending(&self) -> Result<Vec<ExchangeRecord>, StoreError> {
        self.reader.pending(&self.node).await
    }

    async fn get(&self, workspace: WorkspaceId, id: ExchangeId) -> Result<Option<Row>, StoreError> {
        self.reader.get(workspace, id).await
    }

    async fn by_request_id(
        &self,
        workspace: WorkspaceId,
        id: &RequestId,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.reader.look_up(workspace, Lookup::RequestId, id.as_str(), limit).await
    }

    async fn by_response_id(
        &self,
        workspace: WorkspaceId,
        id: &str,
    ) -> Result<Option<ExchangeRecord>, StoreError> {
        let found = self.reader.look_up(workspace, Lookup::ResponseId, id, 1).await?;
        Ok(found.into_iter().next().map(|row| row.record))
    }

    async fn find(
        &self,
        workspace: WorkspaceId,
        filter: &ExchangeFilter,
        page: &PageRequest,
    ) -> Result<Page<Row>, StoreError> {
        self.reader.find(workspace, filter, page).await
    }

    async fn count(&self, workspace: WorkspaceId, filter: &ExchangeFilter) -> Result<u64, StoreError> {
        self.reader.count(workspace, filter).await
    }

    async fn charged(&self, workspace: WorkspaceId, filter: &ExchangeFilter) -> Result<NanoUsd, StoreError> {
        self.reader.charged(workspace, filter).await
    }

    async fn bodies(&self, workspace: WorkspaceId, id: ExchangeId) -> Result<Option<Bodies>, StoreError> {
        self.reader.bodies(workspace, id).await
    }

    async fn trail(
        &self,
        workspace: WorkspaceId,
        filter: &TrailFilter,
        contents: Contents,
        page: &PageRequest,
    ) -> Result<Page<TrailRow>, StoreError> {
        let search = self.reader.search().await?;
        let found = trail::find(search.connection()?, workspace, filter, contents, page).await;
        search.finish();
        found
    }

    async fn run(&self, workspace: WorkspaceId, id: &RunId) -> Result<Option<Run>, StoreError> {
        summary::run(&self.reader.connection().await?, workspace, id).await
    }

    async fn run_by_uuid(&self, workspace: WorkspaceId, id: Uuid) -> Result<Option<Run>, StoreError> {
        summary::run_by_uuid(&self.reader.connection().await?, workspace, id).await
    }

    async fn runs(
        &self,
        workspace: WorkspaceId,
        filter: &RunFilter,
        page: &PageRequest,
    ) -> Result<Page<Run>, StoreError> {
        let search = self.reader.search().await?;
        let found = summary::runs(search.connection()?, workspace, filter, page).await;
        search.finish();
        found
    }

    async fn session(&self, workspace: WorkspaceId, id: &SessionId) -> Result<Option<Session>, StoreError> {
        summary::session(&self.reader.connection().await?, workspace, id).await
    }

    async fn sessions(
        &self,
        workspace: WorkspaceId,
        filter: &SessionFilter,
        page: &PageRequest,
    ) -> Result<Page<Session>, StoreError> {
        let search = self.reader.search().await?;
        let found = summary::sessions(search.connection()?, workspace, filter, page).await;
        search.finish();
        found
    }

    async fn rollup(
        &self,
        workspace: WorkspaceId,
        query: &RollupQuery,
    ) -> Result<Vec<RollupRow>, StoreError> {
        let search = self.reader.search().await?;
        let found = summary::rollup(search.connection()?, workspace, query).await;
        search.finish();
        found
    }

    async fn rollup_properties(&self, workspace: WorkspaceId) -> Result<Vec<String>, StoreError> {
        summary::rollup_properties(&self.reader.connection().await?, workspace).await
    }

    async fn set_rollup_properties(&self, workspace: WorkspaceId, keys: &[String]) -> Result<(), StoreError> {
        let mut connection = self.writers.get().await?;
        let empty = cells::set_properties(&mut connection, workspace, keys).await?;
        // A day at a time, so that what is applied meanwhile does not wait for all.
        for day in Days::read(&connection).await?.with_rows().rev() {
            for key in &empty {
                let only = Some(Scope::Property(workspace, key.clone()));
                rebuild::rebuild(&mut connection, day, RebuildMode::Mend, only).await?;
            }
        }
        cells::set_filled(&connection, workspace, &empty).await
    }

    async fn row_days(&self) -> Result<Vec<Day>, StoreError> {
        Ok(Days::read(&self.reader.connection().await?).await?.with_rows().collect())
    }

    async fn rebuild_rollups(&self, day: Day, mode: RebuildMode) -> Result<Rebuilt, StoreError> {
        rebuild::rebuild(&mut self.writers.get().await?, day, mode, None).await
    }

    async fn erase(&self, workspace: WorkspaceId, subject: &Subject) -> Result<Erased, StoreError> {
        erase::erase(&self.writers, workspace, subject).await
    }

    async fn expire(&self, day: Day, due: &[Expiry]) -> Result<Expired, StoreError> {
        expire::expire(&mut self.writers.get().await?, days::named(day), due).await
    }

    async fn retain(
        &self,
        rows_before: Day,
        bodies_before: Day,
        hours_before: Day,
    ) -> Result<Dropped, StoreError> {
        cells::drop_hours(&mut self.writers.get().await?, hours_before).await?;
        days::drop_before(&self.writers, rows_before, bodies_before).await
    }
}
