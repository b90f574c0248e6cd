//! The log role: exchanges and the trails of runs, appended in order and searched.

use async_trait::async_trait;
use serde::Serialize;

use crate::exchange::{
    Body, Erased, ExchangeFilter, ExchangeRecord, RebuildMode, Rebuilt, RollupQuery, RollupRow, Run,
    RunFilter, Sequence, Sequenced, Session, SessionFilter, Subject,
};
use crate::id::{AgentId, ExchangeId, RequestId, RunId, SessionId, VirtualKeyId, WorkspaceId};
use crate::money::NanoUsd;
use crate::page::{Page, PageRequest};
use crate::ports::catalog::StoreError;
use crate::time::Day;
use crate::trail::{Contents, TrailFilter, TrailRow};

/// The bodies of one exchange, as far as they were kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bodies {
    /// What the client sent.
    pub request: Option<Body>,
    /// What the client got.
    pub response: Option<Body>,
}

/// A record together with which of its bodies can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The record.
    pub record: ExchangeRecord,
    /// Whether the request's body is kept.
    pub has_request_body: bool,
    /// Whether the answer's body is kept.
    pub has_response_body: bool,
}

/// What of a day has been kept for as long as it may be: exchanges and trail entries of a workspace, those of one agent or with one
/// key where it names one, without those that others of its kind name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expiry {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Only with this key.
    pub key: Option<VirtualKeyId>,
    /// Only of this agent.
    pub agent: Option<AgentId>,
    /// Not with these keys.
    pub except_keys: Vec<VirtualKeyId>,
    /// Not of these agents.
    pub except_agents: Vec<AgentId>,
    /// How much of them goes.
    pub what: Expiring,
}

/// How much of an exchange goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Expiring {
    /// Its bodies.
    Bodies,
    /// All of it.
    Rows,
}

/// What [`Log::expire`] took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Exchanges and trail entries that are gone.
    pub rows: u64,
    /// Those that are left without their bodies.
    pub bodies: u64,
}

impl Expired {
    /// Adds what another step took.
    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.bodies += other.bodies;
    }
}

/// What retention dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Day partitions of rows.
    pub row_days: u64,
    /// Day partitions of bodies.
    pub body_days: u64,
}

/// The exchanges of all workspaces. Reads are scoped by one; only [`Log::pending`] looks at all, to recover.
#[async_trait]
pub trait Log: Send + Sync {
    /// Applies entries in the order of their sequence, durably before it returns.
    ///
    /// Idempotent: entries at or below what each part of the store has already applied are left out there, so a
    /// batch may be applied again after a crash in the middle.
    async fn apply(&self, batch: &[Sequenced]) -> Result<(), StoreError>;

    /// Up to where everything is applied; the journal below may go.
    async fn applied(&self) -> Result<Sequence, StoreError>;

    /// Every open exchange.
    async fn pending(&self) -> Result<Vec<ExchangeRecord>, StoreError>;

    /// One exchange.
    async fn get(&self, workspace: WorkspaceId, id: ExchangeId) -> Result<Option<Row>, StoreError>;

    /// Exchanges with this `x-request-id`, newest first, at most `limit`, of any day.
    async fn by_request_id(
        &self,
        workspace: WorkspaceId,
        id: &RequestId,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError>;

    /// The newest exchange that stored a response with this id.
    async fn by_response_id(
        &self,
        workspace: WorkspaceId,
        id: &str,
    ) -> Result<Option<ExchangeRecord>, StoreError>;

    /// A page of exchanges by time.
    async fn find(
        &self,
        workspace: WorkspaceId,
        filter: &ExchangeFilter,
        page: &PageRequest,
    ) -> Result<Page<Row>, StoreError>;

    /// How many there are.
    async fn count(&self, workspace: WorkspaceId, filter: &ExchangeFilter) -> Result<u64, StoreError>;

    /// What budgets count as spent by closed exchanges of `filter`: their costs, and where one is unknown, what was reserved.
    /// Looks at every row, so it is for few: those of one run, or of a part of an hour.
    async fn charged(&self, workspace: WorkspaceId, filter: &ExchangeFilter) -> Result<NanoUsd, StoreError>;

    /// The bodies of one exchange; `None` when there is no such exchange.
    async fn bodies(&self, workspace: WorkspaceId, id: ExchangeId) -> Result<Option<Bodies>, StoreError>;

    /// A page of trail entries by arrival.
    async fn trail(
        &self,
        workspace: WorkspaceId,
        filter: &TrailFilter,
        contents: Contents,
        page: &PageRequest,
    ) -> Result<Page<TrailRow>, StoreError>;

    /// One run by the caller's id.
    async fn run(&self, workspace: WorkspaceId, id: &RunId) -> Result<Option<Run>, StoreError>;

    /// One run by our id.
    async fn run_by_uuid(&self, workspace: WorkspaceId, id: uuid::Uuid) -> Result<Option<Run>, StoreError>;

    /// A page of runs by last activity.
    async fn runs(
        &self,
        workspace: WorkspaceId,
        filter: &RunFilter,
        page: &PageRequest,
    ) -> Result<Page<Run>, StoreError>;

    /// One session.
    async fn session(&self, workspace: WorkspaceId, id: &SessionId) -> Result<Option<Session>, StoreError>;

    /// A page of sessions by last activity.
    async fn sessions(
        &self,
        workspace: WorkspaceId,
        filter: &SessionFilter,
        page: &PageRequest,
    ) -> Result<Page<Session>, StoreError>;

    /// Sums over closed exchanges, from cells that are kept up to date as entries are applied: no row is read.
    async fn rollup(&self, workspace: WorkspaceId, query: &RollupQuery)
    -> Result<Vec<RollupRow>, StoreError>;

    /// The property keys of a workspace that are rolled up, sorted.
    async fn rollup_properties(&self, workspace: WorkspaceId) -> Result<Vec<String>, StoreError>;

    /// Says which property keys of a workspace are rolled up from now on. Keys that are new are filled from the rows
    /// that are kept, day by day; the cells of keys that are gone are dropped. When it fails halfway, saying it again
    /// goes on where it stopped.
    async fn set_rollup_properties(&self, workspace: WorkspaceId, keys: &[String]) -> Result<(), StoreError>;

    /// The days whose rows are kept, oldest first: those whose cells can be made anew.
    async fn row_days(&self) -> Result<Vec<Day>, StoreError>;

    /// Makes the cells of one day anew from its rows, of all workspaces, as one change that neither loses nor repeats
    /// what is applied meanwhile. A day without rows, or one of which
    /// [`Log::expire`] took some, stays as it is. Hourly cells older than they are kept are not made.
    async fn rebuild_rollups(&self, day: Day, mode: RebuildMode) -> Result<Rebuilt, StoreError>;

    /// Takes the bodies, previews and error texts out of every exchange of `subject`, so that neither can be read from the
    /// store any more; rows stay, with their ids, counts and costs. When it fails halfway, asking again goes on.
    async fn erase(&self, workspace: WorkspaceId, subject: &Subject) -> Result<Erased, StoreError>;

    /// Takes what `due` says out of one day. Does nothing where that day was held to the same before. Sums stay; rows of the day are
    /// no longer what its sums can be made of. When it fails halfway, asking again goes on.
    async fn expire(&self, day: Day, due: &[Expiry]) -> Result<Expired, StoreError>;

    /// Drops the day partitions of rows before `rows_before` and of bodies before `bodies_before`, whole, and the hourly
    /// cells of roll-ups before `hours_before`. Daily cells stay.
    async fn retain(
        &self,
        rows_before: Day,
        bodies_before: Day,
        hours_before: Day,
    ) -> Result<Dropped, StoreError>;
}
