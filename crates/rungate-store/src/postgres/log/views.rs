//! Adds a batch up to runs and sessions, whose rows it holds locked from reading to writing.
//!
//! Several nodes may add to the same run at once. Rows are locked in one order (runs before sessions, each by workspace and
//! id), so that nodes wait for each other and never in a circle. A row that is not there yet cannot be locked: of
//! two nodes that make it, the second fails on its unique key, and applies its batch again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use rungate_core::activity::Attribution;
use rungate_core::exchange::{Entry, ExchangeRecord, Run, Sequence, Sequenced, Session};
use rungate_core::id::{ExchangeId, RunId, SessionId, TraceId, WorkspaceId};
use rungate_core::ports::StoreError;
use rungate_core::time::Timestamp;
use rungate_core::trail::{TrailEntry, What};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::super::bind::{indexed, storable};
use super::super::error::column;
use crate::record::{decode_run, decode_session, encode, integer};
use crate::view;

/// The rows of a batch, by workspace and id.
type Keyed<K, T> = BTreeMap<(WorkspaceId, K), T>;

/// The runs and sessions of a batch.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Runs.
    pub runs: BTreeSet<(WorkspaceId, RunId)>,
    /// Sessions.
    pub sessions: BTreeSet<(WorkspaceId, SessionId)>,
    /// Runs of sessions.
    pub members: BTreeSet<(WorkspaceId, SessionId, RunId)>,
    /// Workspaces.
    pub workspaces: BTreeSet<WorkspaceId>,
}

impl Names {
    /// Those that `entries` belong to.
    pub fn of(entries: &[Sequenced]) -> Self {
        let mut names = Self::default();
        for entry in entries {
            let (workspace, run, session) = match &*entry.entry {
                Entry::Opened { record, .. } | Entry::Closed { record, .. } => {
                    let Attribution { run_id, session_id, .. } = &record.attribution;
                    (record.workspace_id, run_id.clone(), session_id.clone())
                }
                Entry::Trail { entry, .. } => {
                    (entry.workspace_id, Some(entry.run_id.clone()), entry.session_id.clone())
                }
            };
            names.runs.extend(run.clone().map(|run| (workspace, run)));
            names.sessions.extend(session.clone().map(|session| (workspace, session)));
            let member = session.zip(run);
            names.workspaces.insert(workspace);
            names.members.extend(member.map(|(session, run)| (workspace, session, run)));
        }
        names
    }
}

/// Locks runs in their order and reads them.
pub(crate) const LOCK_RUNS: &str = "SELECT r.workspace, r.run_id, r.record, r.started_at, r.last_at FROM run AS r \
     JOIN unnest($1::uuid[], $2::text[]) AS n (workspace, run_id) USING (workspace, run_id) \
     ORDER BY r.workspace, r.run_id FOR UPDATE OF r";

/// Locks sessions in their order and reads them.
pub(crate) const LOCK_SESSIONS: &str = "SELECT s.workspace, s.session_id, s.record, s.started_at, s.last_at \
     FROM session AS s \
     JOIN unnest($1::uuid[], $2::text[]) AS n (workspace, session_id) USING (workspace, session_id) \
     ORDER BY s.workspace, s.session_id FOR UPDATE OF s";

/// Which runs their sessions know already. After the locks, so that no other node adds one any more.
pub(crate) const KNOWN_MEMBERS: &str = "SELECT m.workspace, m.session_id, m.run_id FROM session_run AS m \
     JOIN unnest($1::uuid[], $2::text[], $3::text[]) AS n (workspace, session_id, run_id) \
     USING (workspace, session_id, run_id)";

/// What a batch makes of its runs and sessions.
#[derive(Debug, Default)]
pub(crate) struct Views {
    runs: Keyed<RunId, Run>,
    sessions: Keyed<SessionId, Session>,
    known_runs: HashSet<(WorkspaceId, RunId)>,
    known_sessions: HashSet<(WorkspaceId, SessionId)>,
    known_members: HashSet<(WorkspaceId, SessionId, RunId)>,
    new_members: BTreeSet<(WorkspaceId, SessionId, RunId)>,
    run_agents: BTreeSet<(WorkspaceId, String, RunId)>,
    run_properties: BTreeSet<(WorkspaceId, String, String, RunId)>,
    session_agents: BTreeSet<(WorkspaceId, String, SessionId)>,
}

impl Views {
    /// From the rows of [`LOCK_RUNS`], [`LOCK_SESSIONS`] and [`KNOWN_MEMBERS`].
    pub fn read(runs: &[Row], sessions: &[Row], members: &[Row]) -> Result<Self, StoreError> {
        let mut views = Self::default();
        for row in runs {
            let run = decode_run(column(row, 2)?, column(row, 3)?, column(row, 4)?)?;
            let key = (run.workspace_id, run.run_id.clone());
            views.known_runs.insert(key.clone());
            views.runs.insert(key, run);
        }
        for row in sessions {
            let session = decode_session(column(row, 2)?, column(row, 3)?, column(row, 4)?)?;
            let key = (session.workspace_id, session.session_id.clone());
            views.known_sessions.insert(key.clone());
            views.sessions.insert(key, session);
        }
        for row in members {
            let (session, run): (&str, &str) = (column(row, 1)?, column(row, 2)?);
            let (Ok(session), Ok(run)) = (SessionId::parse(session), RunId::parse(run)) else {
                return Err(StoreError::Corrupt("session_run has an id that is none".to_owned()));
            };
            views.known_members.insert((WorkspaceId::new(column(row, 0)?), session, run));
        }
        Ok(views)
    }

    /// Adds the entries that are not repeated; `was_open` says which exchanges were open before the batch.
    pub fn add(
        &mut self,
        entries: &[Sequenced],
        repeated: &HashSet<Sequence>,
        was_open: impl Fn(ExchangeId) -> bool,
    ) {
        let mut opened = HashSet::new();
        for Sequenced { sequence, entry, .. } in entries {
            if repeated.contains(sequence) {
                continue;
            }
            let (record, change) = match &**entry {
                Entry::Trail { entry, .. } => {
                    self.add_told(entry);
                    continue;
                }
                Entry::Opened { record, .. } => {
                    opened.insert(record.id);
                    (record, view::Change::Opened)
                }
                Entry::Closed { record, .. } if opened.remove(&record.id) || was_open(record.id) => {
                    (record, view::Change::Closed)
                }
                Entry::Closed { record, .. } => (record, view::Change::Whole),
            };
            self.add_to_run(record, change);
            self.add_to_session(record, change);
        }
    }

    fn add_to_run(&mut self, record: &ExchangeRecord, change: view::Change) {
        let Some(run_id) = &record.attribution.run_id else { return };
        let workspace = record.workspace_id;
        let run = self.run(workspace, run_id, record.created_at);
        if view::add_to_run(run, record, change) {
            let agents = view::agent_names(&record.agent);
            self.run_agents.extend(agents.map(|agent| (workspace, agent, run_id.clone())));
        }
        if change.is_first() {
            self.describe_run(workspace, run_id, &record.attribution.properties);
        }
    }

    fn add_told(&mut self, entry: &TrailEntry) {
        let (workspace, run_id) = (entry.workspace_id, &entry.run_id);
        if view::add_told_to_run(self.run(workspace, run_id, entry.at), entry) {
            let agents = view::agent_names(&entry.agent);
            self.run_agents.extend(agents.map(|agent| (workspace, agent, run_id.clone())));
        }
        if let What::Registered(registration) = &entry.what {
            self.describe_run(workspace, run_id, &registration.properties);
        }
        let Some(session_id) = &entry.session_id else { return };
        let session = self.session(workspace, session_id, Some(run_id), entry.at);
        if view::add_told_to_session(session, entry) {
            let agents = view::agent_names(&entry.agent);
            self.session_agents.extend(agents.map(|agent| (workspace, agent, session_id.clone())));
        }
    }

    /// A run of the batch; one that is new began at `at`.
    fn run(&mut self, workspace: WorkspaceId, run_id: &RunId, at: Timestamp) -> &mut Run {
        let new = || view::new_run(workspace, run_id, at);
        self.runs.entry((workspace, run_id.clone())).or_insert_with(new)
    }

    fn describe_run(
        &mut self,
        workspace: WorkspaceId,
        run_id: &RunId,
        properties: &BTreeMap<String, String>,
    ) {
        let of_run =
            |(key, value): (&String, &String)| (workspace, key.clone(), value.clone(), run_id.clone());
        self.run_properties.extend(properties.iter().map(of_run));
    }

    /// A session of the batch, with one of its runs; one that is new began at `at`.
    fn session(
        &mut self,
        workspace: WorkspaceId,
        session_id: &SessionId,
        run_id: Option<&RunId>,
        at: Timestamp,
    ) -> &mut Session {
        let member = run_id.map(|run_id| (workspace, session_id.clone(), run_id.clone()));
        let member = member.filter(|member| !self.known_members.contains(member));
        let is_new_run = member.is_some_and(|member| self.new_members.insert(member));
        let new = || view::new_session(workspace, session_id, at);
        let session = self.sessions.entry((workspace, session_id.clone())).or_insert_with(new);
        session.runs += u64::from(is_new_run);
        session
    }

    fn add_to_session(&mut self, record: &ExchangeRecord, change: view::Change) {
        let Some(session_id) = &record.attribution.session_id else { return };
        let workspace = record.workspace_id;
        let session =
            self.session(workspace, session_id, record.attribution.run_id.as_ref(), record.created_at);
        if view::add_to_session(session, record, change) {
            let agents = view::agent_names(&record.agent);
            self.session_agents.extend(agents.map(|agent| (workspace, agent, session_id.clone())));
        }
    }

    /// The agent that the run of a record began with, after the batch was added.
    pub fn first_agent(&self, record: &ExchangeRecord) -> Option<&str> {
        let key = (record.workspace_id, record.attribution.run_id.clone()?);
        self.runs.get(&key).and_then(view::first_agent)
    }

    /// What is written, in the order it is written in.
    pub fn writes(&self) -> Result<Vec<Write>, StoreError> {
        let mut writes = Vec::new();
        let is_known = |(key, _): &(&(WorkspaceId, RunId), &Run)| self.known_runs.contains(*key);
        let (known, new): (Vec<_>, Vec<_>) = self.runs.iter().partition(is_known);
        writes.push(Write { sql: UPDATE_RUNS.into(), arrays: runs(&known)? });
        writes.push(Write { sql: INSERT_RUNS.into(), arrays: runs(&new)? });
        let is_known = |(key, _): &(&(WorkspaceId, SessionId), &Session)| self.known_sessions.contains(*key);
        let (known, new): (Vec<_>, Vec<_>) = self.sessions.iter().partition(is_known);
        writes.push(Write { sql: UPDATE_SESSIONS.into(), arrays: sessions(&known)? });
        writes.push(Write { sql: INSERT_SESSIONS.into(), arrays: sessions(&new)? });
        writes.push(Write {
            sql: "INSERT INTO run_agent (workspace, agent, run_id) \
                  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING"
                .into(),
            arrays: vec![
                ids(self.run_agents.iter().map(|(workspace, ..)| *workspace)),
                texts(self.run_agents.iter().map(|(_, agent, _)| agent)),
                texts(self.run_agents.iter().map(|(.., run)| run.as_str())),
            ],
        });
        writes.push(Write {
            sql: "INSERT INTO run_property (workspace, key, value, run_id) \
                  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING"
                .into(),
            arrays: vec![
                ids(self.run_properties.iter().map(|(workspace, ..)| *workspace)),
                keys(self.run_properties.iter().map(|(_, key, ..)| key)),
                keys(self.run_properties.iter().map(|(_, _, value, _)| value)),
                texts(self.run_properties.iter().map(|(.., run)| run.as_str())),
            ],
        });
        writes.push(Write {
            sql: "INSERT INTO session_agent (workspace, agent, session_id) \
                  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING"
                .into(),
            arrays: vec![
                ids(self.session_agents.iter().map(|(workspace, ..)| *workspace)),
                texts(self.session_agents.iter().map(|(_, agent, _)| agent)),
                texts(self.session_agents.iter().map(|(.., session)| session.as_str())),
            ],
        });
        writes.push(Write {
            sql: "INSERT INTO session_run (workspace, session_id, run_id) \
                  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[])"
                .into(),
            arrays: vec![
                ids(self.new_members.iter().map(|(workspace, ..)| *workspace)),
                texts(self.new_members.iter().map(|(_, session, _)| session.as_str())),
                texts(self.new_members.iter().map(|(.., run)| run.as_str())),
            ],
        });
        Ok(writes)
    }
}

/// Parameters of one statement: arrays of one length, a row in each place.
pub(crate) type Array = Box<dyn Rows>;

/// A statement that writes rows.
pub(crate) struct Write {
    /// The statement.
    pub sql: Cow<'static, str>,
    /// Its rows, column by column.
    pub arrays: Vec<Array>,
}

impl Write {
    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.arrays.first().is_none_or(|array| array.is_empty())
    }
}

/// Columns as parameters of a statement.
pub(crate) fn parameters(arrays: &[Array]) -> Vec<&(dyn ToSql + Sync)> {
    arrays.iter().map(|array| array.parameter()).collect()
}

/// A column of rows as an array.
pub(crate) trait Rows: Send + Sync {
    /// Whether it has none.
    fn is_empty(&self) -> bool;
    /// The array as a parameter.
    fn parameter(&self) -> &(dyn ToSql + Sync);
}

impl<T: Send + Sync> Rows for Vec<T>
where
    Vec<T>: ToSql,
{
    fn is_empty(&self) -> bool {
        Vec::is_empty(self)
    }

    fn parameter(&self) -> &(dyn ToSql + Sync) {
        self
    }
}

/// A column of workspaces.
pub(crate) fn ids(ids: impl Iterator<Item = WorkspaceId>) -> Array {
    Box::new(ids.map(WorkspaceId::uuid).collect::<Vec<Uuid>>())
}

/// A column of texts.
pub(crate) fn texts<T: AsRef<str>>(texts: impl Iterator<Item = T>) -> Array {
    Box::new(texts.map(|text| storable(text.as_ref()).into_owned()).collect::<Vec<String>>())
}

/// A column of texts with an index.
pub(crate) fn keys<T: AsRef<str>>(texts: impl Iterator<Item = T>) -> Array {
    Box::new(texts.map(|text| indexed(text.as_ref()).into_owned()).collect::<Vec<String>>())
}

fn maybe_texts<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Array {
    Box::new(texts.map(|text| text.map(|text| storable(text).into_owned())).collect::<Vec<_>>())
}

/// A column of numbers.
pub(crate) fn numbers(numbers: impl Iterator<Item = i64>) -> Array {
    Box::new(numbers.collect::<Vec<i64>>())
}

const INSERT_RUNS: &str = "INSERT INTO run (workspace, run_id, id, session_id, trace_id, started_at, last_at, cost, \
     errors, search, record, ended) SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], \
     $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::text[])";

const UPDATE_RUNS: &str = "UPDATE run AS r SET session_id = n.session_id, trace_id = n.trace_id, \
     started_at = n.started_at, last_at = n.last_at, cost = n.cost, errors = n.errors, search = n.search, \
     record = n.record, ended = n.ended \
     FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], \
     $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::text[]) AS n (workspace, run_id, id, session_id, \
     trace_id, started_at, last_at, cost, errors, search, record, ended) \
     WHERE r.workspace = n.workspace AND r.run_id = n.run_id AND r.id = n.id";

fn runs(runs: &[(&(WorkspaceId, RunId), &Run)]) -> Result<Vec<Array>, StoreError> {
    let all = || runs.iter().map(|(_, run)| *run);
    Ok(vec![
        ids(all().map(|run| run.workspace_id)),
        texts(all().map(|run| run.run_id.as_str())),
        Box::new(all().map(|run| run.id).collect::<Vec<Uuid>>()),
        maybe_texts(all().map(|run| run.session_id.as_ref().map(SessionId::as_str))),
        maybe_texts(all().map(|run| run.trace_id.as_ref().map(TraceId::as_str))),
        numbers(all().map(|run| run.started_at.micros())),
        numbers(all().map(|run| run.last_activity_at.micros())),
        numbers(all().map(|run| run.totals.cost.nanos())),
        numbers(all().map(|run| integer(run.totals.errors))),
        texts(all().map(view::run_search_text)),
        texts(all().map(encode).collect::<Result<Vec<_>, _>>()?.iter()),
        maybe_texts(all().map(|run| run.end.as_ref().map(|end| end.status.as_str()))),
    ])
}

const INSERT_SESSIONS: &str = "INSERT INTO session (workspace, session_id, started_at, last_at, search, record) \
     SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[])";

const UPDATE_SESSIONS: &str = "UPDATE session AS s SET started_at = n.started_at, last_at = n.last_at, \
     search = n.search, record = n.record \
     FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[]) \
     AS n (workspace, session_id, started_at, last_at, search, record) \
     WHERE s.workspace = n.workspace AND s.session_id = n.session_id";

fn sessions(sessions: &[(&(WorkspaceId, SessionId), &Session)]) -> Result<Vec<Array>, StoreError> {
    let all = || sessions.iter().map(|(_, session)| *session);
    Ok(vec![
        ids(all().map(|session| session.workspace_id)),
        texts(all().map(|session| session.session_id.as_str())),
        numbers(all().map(|session| session.first_at.micros())),
        numbers(all().map(|session| session.last_at.micros())),
        texts(all().map(view::session_search_text)),
        texts(all().map(encode).collect::<Result<Vec<_>, _>>()?.iter()),
    ])
}
