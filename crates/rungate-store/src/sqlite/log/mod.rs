//! The log role over `log/`.

mod bodies;
mod cells;
mod days;
mod erase;
mod expire;
mod older;
mod reader;
mod rebuild;
mod replay;
mod rows;
mod seen;
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
use rungate_core::page::{Order, Page, PageRequest};
use rungate_core::ports::{Bodies, Dropped, Expired, Expiry, Log, Row, StoreError};
use rungate_core::time::Day;
use rungate_core::trail::{Contents, TrailFilter, TrailRow};
use uuid::Uuid;

use super::folder::Folder;
use super::pool::Pool;
use super::worker::Worker;

pub(crate) use self::bodies::check_blocks;
use self::days::Days;
pub(crate) use self::days::day_files;
use self::reader::{Lookup, Reader};
use self::seen::Seen;
use self::writer::LogWriter;
use crate::record::encode;

/// Readers. A long search takes one of them.
const READERS: usize = 3;

/// Exchanges in a file per day, and what outlives the days in `views.db`.
pub(crate) struct SqliteLog {
    writer: Worker<LogWriter>,
    readers: Pool<Reader>,
    applied: Arc<AtomicU64>,
    days: Arc<Days>,
    seen: Arc<Seen>,
}

impl SqliteLog {
    /// Opens or makes the files.
    pub fn open(folder: &Arc<Folder>) -> Result<Self, StoreError> {
        let days = Arc::new(Days::open(folder.log())?);
        let writer = LogWriter::open(Arc::clone(&days))?;
        let readers = (0..READERS).map(|_| Reader::open(Arc::clone(&days))).collect::<Result<_, _>>()?;
        let (applied, seen) = (writer.applied(), writer.seen());
        let locked = Arc::clone(folder);
        let end = move |writer: LogWriter| {
            writer.close();
            drop(locked);
        };
        Ok(Self {
            writer: Worker::start("store-log", writer, end)?,
            readers: Pool::new(readers),
            applied,
            days,
            seen,
        })
    }

    /// Ends the readers and the writer.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.stop().await;
    }
}

#[async_trait]
impl Log for SqliteLog {
    async fn apply(&self, batch: &[Sequenced]) -> Result<(), StoreError> {
        let batch = batch.to_vec();
        self.writer.run(move |writer| writer.apply(&batch)).await
    }

    async fn applied(&self) -> Result<Sequence, StoreError> {
        Ok(Sequence(self.applied.load(Ordering::Acquire)))
    }

    async fn pending(&self) -> Result<Vec<ExchangeRecord>, StoreError> {
        self.readers.run(|reader, _| reader::pending(reader.views())).await
    }

    async fn get(&self, workspace: WorkspaceId, id: ExchangeId) -> Result<Option<Row>, StoreError> {
        self.readers.run(move |reader, _| reader.get(workspace, id)).await
    }

    async fn by_request_id(
        &self,
        workspace: WorkspaceId,
        id: &RequestId,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let id = id.clone();
        self.readers
            .run(move |reader, waiting| {
                reader.look_up(waiting, workspace, Lookup::RequestId, id.as_str(), limit)
            })
            .await
    }

    async fn by_response_id(
        &self,
        workspace: WorkspaceId,
        id: &str,
    ) -> Result<Option<ExchangeRecord>, StoreError> {
        let id = id.to_owned();
        self.readers
            .run(move |reader, waiting| {
                let found = reader.look_up(waiting, workspace, Lookup::ResponseId, &id, 1)?;
                Ok(found.into_iter().next().map(|row| row.record))
            })
            .await
    }

    async fn find(
        &self,
        workspace: WorkspaceId,
        filter: &ExchangeFilter,
        page: &PageRequest,
    ) -> Result<Page<Row>, StoreError> {
        let (filter, page) = (filter.clone(), page.clone());
        self.readers.run(move |reader, waiting| reader.find(waiting, workspace, &filter, &page)).await
    }

    async fn count(&self, workspace: WorkspaceId, filter: &ExchangeFilter) -> Result<u64, StoreError> {
        let filter = filter.clone();
        self.readers.run(move |reader, waiting| reader.count(waiting, workspace, &filter)).await
    }

    async fn charged(&self, workspace: WorkspaceId, filter: &ExchangeFilter) -> Result<NanoUsd, StoreError> {
        let filter = filter.clone();
        self.readers.run(move |reader, waiting| reader.charged(waiting, workspace, &filter)).await
    }

    async fn bodies(&self, workspace: WorkspaceId, id: ExchangeId) -> Result<Option<Bodies>, StoreError> {
        self.readers.run(move |reader, _| reader.bodies(workspace, id)).await
    }

    async fn trail(
        &self,
        workspace: WorkspaceId,
        filter: &TrailFilter,
        contents: Contents,
        page: &PageRequest,
    ) -> Result<Page<TrailRow>, StoreError> {
        let (filter, page) = (filter.clone(), page.clone());
        self.readers
            .run(move |reader, waiting| reader.trail(waiting, workspace, &filter, contents, &page))
            .await
    }

    async fn run(&self, workspace: WorkspaceId, id: &RunId) -> Result<Option<Run>, StoreError> {
        if !self.seen.run(workspace, id) {
            return Ok(None);
        }
        let id = id.clone();
        self.readers.run(move |reader, _| views::run(reader.views(), workspace, &id)).await
    }

    async fn run_by_uuid(&self, workspace: WorkspaceId, id: Uuid) -> Result<Option<Run>, StoreError> {
        self.readers.run(move |reader, _| summary::run_by_uuid(reader.views(), workspace, id)).await
    }

    async fn runs(
        &self,
        workspace: WorkspaceId,
        filter: &RunFilter,
        page: &PageRequest,
    ) -> Result<Page<Run>, StoreError> {
        let (filter, page) = (filter.clone(), page.clone());
        self.readers.run(move |reader, _| summary::runs(reader.views(), workspace, &filter, &page)).await
    }

    async fn session(&self, workspace: WorkspaceId, id: &SessionId) -> Result<Option<Session>, StoreError> {
        if !self.seen.session(workspace, id) {
            return Ok(None);
        }
        let id = id.clone();
        self.readers.run(move |reader, _| views::session(reader.views(), workspace, &id)).await
    }

    async fn sessions(
        &self,
        workspace: WorkspaceId,
        filter: &SessionFilter,
        page: &PageRequest,
    ) -> Result<Page<Session>, StoreError> {
        let (filter, page) = (filter.clone(), page.clone());
        self.readers.run(move |reader, _| summary::sessions(reader.views(), workspace, &filter, &page)).await
    }

    async fn rollup(
        &self,
        workspace: WorkspaceId,
        query: &RollupQuery,
    ) -> Result<Vec<RollupRow>, StoreError> {
        let query = query.clone();
        self.readers.run(move |reader, _| summary::rollup(reader.views(), workspace, &query)).await
    }

    async fn rollup_properties(&self, workspace: WorkspaceId) -> Result<Vec<String>, StoreError> {
        self.readers.run(move |reader, _| summary::rollup_properties(reader.views(), workspace)).await
    }

    async fn set_rollup_properties(&self, workspace: WorkspaceId, keys: &[String]) -> Result<(), StoreError> {
        let keys = keys.to_vec();
        let empty = self.writer.run(move |writer| writer.set_rollup_properties(workspace, &keys)).await?;
        // A day at a time, so that what is applied meanwhile does not wait for all.
        for day in self.days.listed(None, None, Order::Desc) {
            for key in empty.iter().cloned() {
                self.writer.run(move |writer| writer.fill_property(day, workspace, key)).await?;
            }
        }
        self.writer.run(move |writer| writer.set_filled(workspace, &empty)).await
    }

    async fn row_days(&self) -> Result<Vec<Day>, StoreError> {
        Ok(self.days.listed(None, None, Order::Asc))
    }

    async fn rebuild_rollups(&self, day: Day, mode: RebuildMode) -> Result<Rebuilt, StoreError> {
        self.writer.run(move |writer| writer.rebuild(day, mode)).await
    }

    async fn erase(&self, workspace: WorkspaceId, subject: &Subject) -> Result<Erased, StoreError> {
        let subject = subject.clone();
        self.writer.run(move |writer| writer.erase(workspace, &subject)).await
    }

    async fn expire(&self, day: Day, due: &[Expiry]) -> Result<Expired, StoreError> {
        let retention = encode(&due)?;
        let mut expired = Expired::default();
        let wanted = retention.clone();
        if self.writer.run(move |writer| writer.is_held_to(day, &wanted)).await? {
            return Ok(expired);
        }
        for expiry in due {
            loop {
                // A group at a time, so that what is applied meanwhile does not wait for all.
                let of_step = expiry.clone();
                match self.writer.run(move |writer| writer.expire_step(day, &of_step)).await? {
                    Some(step) => expired.add(step),
                    None => break,
                }
            }
        }
        self.writer.run(move |writer| writer.held_to(day, &retention)).await?;
        Ok(expired)
    }

    async fn retain(
        &self,
        rows_before: Day,
        bodies_before: Day,
        hours_before: Day,
    ) -> Result<Dropped, StoreError> {
        self.writer.run(move |writer| writer.retain(rows_before, bodies_before, hours_before)).await
    }
}
