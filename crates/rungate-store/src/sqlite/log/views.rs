//! Writes what outlives the days: open exchanges, runs, sessions, roll-ups, and the place up to which everything is
//! applied.

use std::collections::{BTreeMap, HashMap, HashSet, hash_map};

use rungate_core::activity::AgentStamp;
use rungate_core::exchange::{Entry, ExchangeRecord, Run, Sequence, Sequenced, Session};
use rungate_core::id::{ExchangeId, RunId, SessionId, TraceId, WorkspaceId};
use rungate_core::ports::StoreError;
use rungate_core::time::Timestamp;
use rungate_core::trail::{TrailEntry, What};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::super::bind::blob;
use super::super::error::OrStoreError;
use super::{cells, rows, summary};
use crate::record::{encode, integer};
use crate::rollup::Cells;
use crate::view::{self, Change};

/// Applies entries, leaving out those in `repeated`, as far as they are above what the file has applied.
pub(crate) fn apply(
    connection: &mut Connection,
    entries: &[&Sequenced],
    repeated: &HashSet<Sequence>,
) -> Result<(), StoreError> {
    let Some(last) = entries.last().map(|entry| entry.sequence) else { return Ok(()) };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
    let applied = rows::applied(&transaction)?;
    let mut batch = Batch::new(&transaction);
    for Sequenced { sequence, entry, opening, .. } in entries.iter().copied() {
        if !repeated.contains(sequence) {
            // With an opening that is new here it cannot have been open before.
            let is_whole = opening.as_ref().is_some_and(|opening| opening.sequence > applied);
            batch.add(entry, is_whole)?;
        }
    }
    batch.finish()?;
    rows::set_applied(&transaction, last)?;
    transaction.commit().or_store()
}

/// Whether an exchange is open here.
pub(crate) fn is_pending(connection: &Connection, id: ExchangeId) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM pending WHERE id = ?1").or_store()?;
    statement.exists([blob(id.uuid())]).or_store()
}

/// Sets the place up to which everything is applied, without entries.
pub(crate) fn set_applied(connection: &mut Connection, sequence: Sequence) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).or_store()?;
    rows::set_applied(&transaction, sequence)?;
    transaction.commit().or_store()
}

/// The changes of one batch: everything is read once, added up in memory, and written once.
struct Batch<'a> {
    transaction: &'a Transaction<'a>,
    opened: HashMap<ExchangeId, &'a ExchangeRecord>,
    runs: HashMap<(WorkspaceId, &'a RunId), Run>,
    sessions: HashMap<(WorkspaceId, &'a SessionId), Session>,
    members: HashSet<(WorkspaceId, &'a SessionId, &'a RunId)>,
    run_properties: HashSet<(WorkspaceId, &'a RunId, &'a str, &'a str)>,
    cells: Cells,
    properties: HashMap<WorkspaceId, Vec<String>>,
}

impl<'a> Batch<'a> {
    fn new(transaction: &'a Transaction<'a>) -> Self {
        Self {
            transaction,
            opened: HashMap::new(),
            runs: HashMap::new(),
            sessions: HashMap::new(),
            members: HashSet::new(),
            run_properties: HashSet::new(),
            cells: Cells::default(),
            properties: HashMap::new(),
        }
    }

    fn add(&mut self, entry: &'a Entry, is_whole: bool) -> Result<(), StoreError> {
        let (record, change) = match entry {
            Entry::Trail { entry, .. } => return self.add_told(entry),
            Entry::Opened { record, .. } => {
                self.opened.insert(record.id, record);
                (record, Change::Opened)
            }
            Entry::Closed { record, .. }
                if !is_whole && (self.opened.remove(&record.id).is_some() || self.close(record.id)?) =>
            {
                (record, Change::Closed)
            }
            Entry::Closed { record, .. } => (record, Change::Whole),
        };
        self.add_to_run(record, change)?;
        self.add_to_session(record, change)?;
        if change.is_end() {
            self.add_to_cells(record)?;
        }
        Ok(())
    }

    /// After the exchange was added to its run, which says who began it.
    fn add_to_cells(&mut self, record: &'a ExchangeRecord) -> Result<(), StoreError> {
        let workspace = record.workspace_id;
        let run = record.attribution.run_id.as_ref().and_then(|run_id| self.runs.get(&(workspace, run_id)));
        self.cells.add(record, run.and_then(view::first_agent));
        if record.attribution.properties.is_empty() {
            return Ok(());
        }
        let keys = match self.properties.entry(workspace) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(summary::rollup_properties(self.transaction, workspace)?)
            }
        };
        for key in keys {
            self.cells.add_property(record, key, usize::MAX);
        }
        Ok(())
    }

    /// Removes an open exchange of an earlier batch; whether there was one.
    fn close(&self, id: ExchangeId) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM pending WHERE id = ?1", params![blob(id.uuid())])? > 0)
    }

    fn add_to_run(&mut self, record: &'a ExchangeRecord, change: Change) -> Result<(), StoreError> {
        let Some(run_id) = &record.attribution.run_id else { return Ok(()) };
        let key = self.load_run(record.workspace_id, run_id, record.created_at)?;
        let Some(run) = self.runs.get_mut(&key) else { return Ok(()) };
        if view::add_to_run(run, record, change) {
            self.name_run(key, &record.agent)?;
        }
        if change.is_first() {
            self.describe_run(key, &record.attribution.properties)?;
        }
        Ok(())
    }

    fn add_told(&mut self, entry: &'a TrailEntry) -> Result<(), StoreError> {
        let key = self.load_run(entry.workspace_id, &entry.run_id, entry.at)?;
        let Some(run) = self.runs.get_mut(&key) else { return Ok(()) };
        if view::add_told_to_run(run, entry) {
            self.name_run(key, &entry.agent)?;
        }
        if let What::Registered(registration) = &entry.what {
            self.describe_run(key, &registration.properties)?;
        }
        let Some(session_id) = &entry.session_id else { return Ok(()) };
        let key = self.load_session(entry.workspace_id, session_id, entry.at)?;
        let is_new_run = self.join(entry.workspace_id, session_id, &entry.run_id)?;
        let Some(session) = self.sessions.get_mut(&key) else { return Ok(()) };
        session.runs += u64::from(is_new_run);
        if view::add_told_to_session(session, entry) {
            self.name_session(key, &entry.agent)?;
        }
        Ok(())
    }

    /// Sees to it that a run is in the batch; one that is new began at `at`.
    fn load_run(
        &mut self,
        workspace: WorkspaceId,
        run_id: &'a RunId,
        at: Timestamp,
    ) -> Result<(WorkspaceId, &'a RunId), StoreError> {
        let key = (workspace, run_id);
        if !self.runs.contains_key(&key) {
            let stored = run(self.transaction, workspace, run_id)?;
            self.runs.insert(key, stored.unwrap_or_else(|| view::new_run(workspace, run_id, at)));
        }
        Ok(key)
    }

    fn name_run(
        &self,
        (workspace, run_id): (WorkspaceId, &RunId),
        agent: &AgentStamp,
    ) -> Result<(), StoreError> {
        for agent in view::agent_names(agent) {
            self.execute(
                "INSERT OR IGNORE INTO run_agent (workspace, agent, run_id) VALUES (?1, ?2, ?3)",
                params![blob(workspace.uuid()), agent, run_id.as_str()],
            )?;
        }
        Ok(())
    }

    fn describe_run(
        &mut self,
        (workspace, run_id): (WorkspaceId, &'a RunId),
        properties: &'a BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        for (key, value) in properties {
            if self.run_properties.insert((workspace, run_id, key, value)) {
                self.execute(
                    "INSERT OR IGNORE INTO run_property (workspace, key, value, run_id) VALUES (?1, ?2, ?3, ?4)",
                    params![blob(workspace.uuid()), key, value, run_id.as_str()],
                )?;
            }
        }
        Ok(())
    }

    /// Sees to it that a session is in the batch; one that is new began at `at`.
    fn load_session(
        &mut self,
        workspace: WorkspaceId,
        session_id: &'a SessionId,
        at: Timestamp,
    ) -> Result<(WorkspaceId, &'a SessionId), StoreError> {
        let key = (workspace, session_id);
        if !self.sessions.contains_key(&key) {
            let stored = session(self.transaction, workspace, session_id)?;
            self.sessions.insert(key, stored.unwrap_or_else(|| view::new_session(workspace, session_id, at)));
        }
        Ok(key)
    }

    fn name_session(
        &self,
        (workspace, session_id): (WorkspaceId, &SessionId),
        agent: &AgentStamp,
    ) -> Result<(), StoreError> {
        for agent in view::agent_names(agent) {
            self.execute(
                "INSERT OR IGNORE INTO session_agent (workspace, agent, session_id) VALUES (?1, ?2, ?3)",
                params![blob(workspace.uuid()), agent, session_id.as_str()],
            )?;
        }
        Ok(())
    }

    fn add_to_session(&mut self, record: &'a ExchangeRecord, change: Change) -> Result<(), StoreError> {
        let Some(session_id) = &record.attribution.session_id else { return Ok(()) };
        let key = self.load_session(record.workspace_id, session_id, record.created_at)?;
        let is_new_run = match &record.attribution.run_id {
            Some(run_id) => self.join(record.workspace_id, session_id, run_id)?,
            None => false,
        };
        let Some(session) = self.sessions.get_mut(&key) else { return Ok(()) };
        session.runs += u64::from(is_new_run);
        if view::add_to_session(session, record, change) {
            self.name_session(key, &record.agent)?;
        }
        Ok(())
    }

    /// Notes that a run was seen in a session; whether that is new.
    fn join(
        &mut self,
        workspace: WorkspaceId,
        session_id: &'a SessionId,
        run_id: &'a RunId,
    ) -> Result<bool, StoreError> {
        if !self.members.insert((workspace, session_id, run_id)) {
            return Ok(false);
        }
        let joined = self.execute(
            "INSERT OR IGNORE INTO session_run (workspace, session_id, run_id) VALUES (?1, ?2, ?3)",
            params![blob(workspace.uuid()), session_id.as_str(), run_id.as_str()],
        )?;
        Ok(joined > 0)
    }

    fn finish(self) -> Result<(), StoreError> {
        for record in self.opened.values() {
            self.execute(
                "INSERT OR REPLACE INTO pending (id, workspace, created_at, record) VALUES (?1, ?2, ?3, ?4)",
                params![
                    blob(record.id.uuid()),
                    blob(record.workspace_id.uuid()),
                    record.created_at.micros(),
                    encode(record)?,
                ],
            )?;
        }
        for run in self.runs.values() {
            self.write_run(run)?;
        }
        for session in self.sessions.values() {
            self.write_session(session)?;
        }
        cells::add(self.transaction, self.cells)
    }

    fn write_run(&self, run: &Run) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO run (workspace, run_id, id, session_id, trace_id, started_at, last_at, cost, errors, search, \
             record, ended) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
             ON CONFLICT (workspace, run_id) DO UPDATE SET session_id = excluded.session_id, \
             trace_id = excluded.trace_id, started_at = excluded.started_at, last_at = excluded.last_at, \
             cost = excluded.cost, errors = excluded.errors, search = excluded.search, record = excluded.record, \
             ended = excluded.ended",
            params![
                blob(run.workspace_id.uuid()),
                run.run_id.as_str(),
                blob(run.id),
                run.session_id.as_ref().map(SessionId::as_str),
                run.trace_id.as_ref().map(TraceId::as_str),
                run.started_at.micros(),
                run.last_activity_at.micros(),
                run.totals.cost.nanos(),
                integer(run.totals.errors),
                view::run_search_text(run),
                encode(run)?,
                run.end.as_ref().map(|end| end.status.as_str()),
            ],
        )?;
        Ok(())
    }

    fn write_session(&self, session: &Session) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO session (workspace, session_id, started_at, last_at, search, record) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (workspace, session_id) DO UPDATE SET started_at = excluded.started_at, \
             last_at = excluded.last_at, search = excluded.search, record = excluded.record",
            params![
                blob(session.workspace_id.uuid()),
                session.session_id.as_str(),
                session.first_at.micros(),
                session.last_at.micros(),
                view::session_search_text(session),
                encode(session)?,
            ],
        )?;
        Ok(())
    }

    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.transaction.prepare_cached(sql).or_store()?.execute(values).or_store()
    }
}

/// One run.
pub(crate) fn run(
    connection: &Connection,
    workspace: WorkspaceId,
    run_id: &RunId,
) -> Result<Option<Run>, StoreError> {
    let sql = "SELECT record, started_at, last_at FROM run WHERE workspace = ?1 AND run_id = ?2";
    let mut statement = connection.prepare_cached(sql).or_store()?;
    let values = params![blob(workspace.uuid()), run_id.as_str()];
    statement.query_row(values, Kept::read).optional().or_store()?.map(Kept::run).transpose()
}

/// One session.
pub(crate) fn session(
    connection: &Connection,
    workspace: WorkspaceId,
    session_id: &SessionId,
) -> Result<Option<Session>, StoreError> {
    let sql = "SELECT record, started_at, last_at FROM session WHERE workspace = ?1 AND session_id = ?2";
    let mut statement = connection.prepare_cached(sql).or_store()?;
    let values = params![blob(workspace.uuid()), session_id.as_str()];
    statement.query_row(values, Kept::read).optional().or_store()?.map(Kept::session).transpose()
}

/// The columns `record, started_at, last_at` of a run or session. The JSON has milliseconds, the columns microseconds.
pub(crate) struct Kept {
    record: String,
    started_at: i64,
    last_at: i64,
}

impl Kept {
    /// Reads the columns.
    pub fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { record: row.get(0)?, started_at: row.get(1)?, last_at: row.get(2)? })
    }

    /// The run.
    pub fn run(self) -> Result<Run, StoreError> {
        crate::record::decode_run(&self.record, self.started_at, self.last_at)
    }

    /// The session.
    pub fn session(self) -> Result<Session, StoreError> {
        crate::record::decode_session(&self.record, self.started_at, self.last_at)
    }
}
