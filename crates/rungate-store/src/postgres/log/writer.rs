//! Applies batches of this node's journal: rows, views and the place in the journal, in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use rungate_core::exchange::{Entry, Sequence, Sequenced};
use rungate_core::id::{ExchangeId, WorkspaceId};
use rungate_core::ports::StoreError;
use rungate_core::time::{Day, Timestamp};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{IsolationLevel, Row, Statement};
use uuid::Uuid;

use super::super::error::{self, OrStoreError, column};
use super::super::pool::{Connection, Pool};
use super::bodies::{self, Blocks};
use super::cells::{self, Known, Tables};
use super::copy::CopyRows;
use super::days::{self, OPEN, named};
use super::rows::{self, KEPT, Kept};
use super::trail;
use super::views::{self, Names, Views, Write, parameters};
use crate::block::Location;
use crate::change::{self, Change};
use crate::record::{integer, partition_of_entry, unsigned};
use crate::rollup::Cells;

/// A batch that met another node's is applied again, so many times before it fails.
const ATTEMPTS: usize = 10;

/// Applies this node's journal.
pub(crate) struct LogWriter {
    pool: Pool,
    node: Arc<str>,
    applied: Arc<AtomicU64>,
    made: Made,
}

/// Days whose partitions this node has seen.
#[derive(Debug, Default)]
struct Made {
    rows: HashSet<Day>,
    bodies: HashSet<Day>,
}

/// Why a batch was not applied.
enum Failure {
    /// It met another node's; trying again helps.
    Conflict(StoreError),
    /// Anything else.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let conflict = matches!(
            error.code(),
            Some(
                &SqlState::T_R_SERIALIZATION_FAILURE
                    | &SqlState::T_R_DEADLOCK_DETECTED
                    // Another node made the same row first.
                    | &SqlState::UNIQUE_VIOLATION
                    // Retention dropped the partition.
                    | &SqlState::CHECK_VIOLATION
            )
        );
        let error = error::postgres(&error);
        if conflict { Self::Conflict(error) } else { Self::Store(error) }
    }
}

impl LogWriter {
    /// Finds this node's place in the journal.
    pub async fn open(pool: Pool, node: &str) -> Result<Self, StoreError> {
        let connection = pool.get().await?;
        let begin = "INSERT INTO cursor (node, sequence) VALUES ($1, 0) ON CONFLICT DO NOTHING";
        connection.execute(begin, &[&node]).await.or_store()?;
        let row = connection.query_one("SELECT sequence FROM cursor WHERE node = $1", &[&node]).await;
        let applied = Arc::new(AtomicU64::new(unsigned(column(&row.or_store()?, 0)?)));
        Ok(Self { pool, node: node.into(), applied, made: Made::default() })
    }

    /// The place up to which everything is applied, for others to read.
    pub fn applied(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.applied)
    }

    /// Applies a batch; see [`rungate_core::ports::Log::apply`].
    pub async fn apply(&mut self, batch: &[Sequenced]) -> Result<(), StoreError> {
        let applied = Sequence(self.applied.load(Ordering::Acquire));
        let mut entries: Vec<Sequenced> =
            batch.iter().filter(|entry| entry.sequence > applied).cloned().collect();
        if entries.is_empty() {
            return Ok(());
        }
        entries.sort_by_key(|entry| entry.sequence);
        let prepare = move || Prepared::new(entries);
        let prepared = tokio::task::spawn_blocking(prepare).await;
        let mut prepared = prepared.map_err(|error| StoreError::Unavailable(error.to_string()))??;
        let mut attempt = 1;
        loop {
            match self.try_apply(&mut prepared).await {
                Ok(applied) => {
                    self.applied.store(applied.0, Ordering::Release);
                    return Ok(());
                }
                Err(Failure::Conflict(error)) if attempt < ATTEMPTS => {
                    tracing::debug!(attempt, %error, "a batch met another node's and is applied again");
                    self.made = Made::default();
                    attempt += 1;
                }
                Err(Failure::Conflict(error) | Failure::Store(error)) => return Err(error),
            }
        }
    }

    async fn try_apply(&mut self, prepared: &mut Prepared) -> Result<Sequence, Failure> {
        let Some(last) = prepared.entries.last().map(|entry| entry.sequence) else {
            return Ok(Sequence(self.applied.load(Ordering::Acquire)));
        };
        let mut connection = self.pool.get().await?;
        self.make_days(&mut connection, prepared).await?;
        let statements = Statements::prepare(&connection).await?;
        let transaction =
            connection.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
        let read = statements.read(&transaction, &self.node, prepared).await?;
        let applied = Sequence(unsigned(column(&read.cursor, 0)?));
        if prepared.entries.first().is_some_and(|first| first.sequence <= applied) {
            // An earlier try was committed, though its answer was lost.
            prepared.skip(applied)?;
            if prepared.entries.is_empty() {
                return Ok(applied);
            }
            return Err(Failure::Conflict(StoreError::Unavailable(
                "a part of it is applied already".to_owned(),
            )));
        }
        prepared.place_bodies(&read.numbers);
        let mut repeated = prepared.repeated.clone();
        let plan = rows::plan(&self.node, &prepared.changes, &read.stored, &mut repeated);
        for entry in prepared.entries.iter().filter(|entry| repeated.contains(&entry.sequence)) {
            let (sequence, exchange) = (entry.sequence.0, entry.entry.exchange_id());
            tracing::error!(
                sequence,
                ?exchange,
                "the journal opens or closes an exchange twice; the second is left out"
            );
        }
        let mut views = read.views;
        let open: HashSet<Uuid> = plan.closed.iter().copied().collect();
        views.add(&prepared.entries, &repeated, |id| open.contains(&id.uuid()));
        let cells = cells_of(&prepared.entries, &repeated, &views, &read.properties);
        let known = Known::read(&transaction, &cells).await?;
        let cells = Tables::of(cells, &known, read.hours_since)?;
        let mut writes = vec![bodies::write(prepared.blocks.clone(), &read.numbers)];
        writes.extend(views.writes()?);
        writes.extend(cells.add_to_stored(&transaction).await?);
        let trail = trail::copy(&self.node, &prepared.trail);
        statements.write(&transaction, plan, trail, &writes, (&self.node, last)).await?;
        transaction.commit().await?;
        Ok(last)
    }

    async fn make_days(
        &mut self,
        connection: &mut Connection,
        prepared: &Prepared,
    ) -> Result<(), StoreError> {
        let missing: Vec<Day> =
            prepared.days.iter().filter(|day| !self.made.rows.contains(day)).copied().collect();
        let body_days: BTreeSet<Day> = prepared.blocks.iter().map(|(day, _)| *day).collect();
        let missing_bodies: Vec<Day> =
            body_days.into_iter().filter(|day| !self.made.bodies.contains(day)).collect();
        if missing.is_empty() && missing_bodies.is_empty() {
            return Ok(());
        }
        days::make(connection, &missing, &missing_bodies).await?;
        self.made.rows.extend(missing);
        self.made.bodies.extend(missing_bodies);
        Ok(())
    }
}

/// What the closings of a batch add to the cells of roll-ups.
fn cells_of(
    entries: &[Sequenced],
    repeated: &HashSet<Sequence>,
    views: &Views,
    properties: &HashMap<WorkspaceId, Vec<String>>,
) -> Cells {
    let mut cells = Cells::default();
    for Sequenced { sequence, entry, .. } in entries {
        let Entry::Closed { record, .. } = &**entry else { continue };
        if repeated.contains(sequence) {
            continue;
        }
        cells.add(record, views.first_agent(record));
        for key in properties.get(&record.workspace_id).into_iter().flatten() {
            cells.add_property(record, key, usize::MAX);
        }
    }
    cells
}

/// A batch with everything done that needs no database.
struct Prepared {
    entries: Vec<Sequenced>,
    changes: Vec<Change>,
    repeated: HashSet<Sequence>,
    days: BTreeSet<Day>,
    blocks: Blocks,
    /// Where each change's bodies lie, with the place of the block in `blocks`.
    places: Vec<[Option<Location>; 2]>,
    /// The entries of trails.
    trail: Vec<trail::Told>,
}

impl Prepared {
    fn new(entries: Vec<Sequenced>) -> Result<Self, StoreError> {
        let mut repeated = HashSet::new();
        let mut by_day: BTreeMap<Day, Vec<&Sequenced>> = BTreeMap::new();
        for entry in &entries {
            by_day.entry(named(partition_of_entry(&entry.entry))).or_default().push(entry);
        }
        let days: BTreeSet<Day> = by_day.keys().copied().collect();
        let (mut changes, mut blocks): (Vec<Change>, Blocks) = (Vec::new(), Vec::new());
        for (day, entries) in by_day {
            let mut of_day = change::gather(&entries, &mut repeated);
            change::put_bodies(&mut of_day, |bodies| {
                let (packed, mut locations) = crate::block::pack(bodies)
                    .map_err(|error| StoreError::Unavailable(format!("bodies of {day}: {error}")))?;
                let before = i64::try_from(blocks.len()).unwrap_or(i64::MAX);
                for location in &mut locations {
                    location.block += before;
                }
                blocks.extend(packed.into_iter().map(|block| (day, block)));
                Ok::<_, StoreError>(locations)
            })?;
            changes.extend(of_day);
        }
        let trail = trail::rows(&entries)?;
        let places = changes.iter().map(|change| [change.request_at, change.response_at]).collect();
        Ok(Self { entries, changes, repeated, days, blocks, places, trail })
    }

    /// Leaves out what is applied.
    fn skip(&mut self, applied: Sequence) -> Result<(), StoreError> {
        let rest = self.entries.iter().filter(|entry| entry.sequence > applied).cloned().collect();
        *self = Self::new(rest)?;
        Ok(())
    }

    /// Puts the numbers that blocks have got into the locations.
    fn place_bodies(&mut self, numbers: &[i64]) {
        let numbered = |location: Location| {
            let place = usize::try_from(location.block).ok()?;
            Some(Location { block: *numbers.get(place)?, ..location })
        };
        for (change, [request, response]) in self.changes.iter_mut().zip(&self.places) {
            change.request_at = request.and_then(numbered);
            change.response_at = response.and_then(numbered);
        }
    }
}

/// What a batch finds in the database; the runs and sessions stay locked.
struct Read {
    cursor: Row,
    stored: HashMap<ExchangeId, Kept>,
    numbers: Vec<i64>,
    views: Views,
    hours_since: Timestamp,
    /// The properties that are rolled up.
    properties: HashMap<WorkspaceId, Vec<String>>,
}

/// The statements that each batch needs.
struct Statements {
    cursor: Statement,
    join_cells: Statement,
    hours_since: Statement,
    properties: Statement,
    numbers: Statement,
    lock_runs: Statement,
    lock_sessions: Statement,
    known_members: Statement,
    delete_open: Statement,
    copy_exchanges: Statement,
    copy_properties: Statement,
    copy_trail: Statement,
    set_cursor: Statement,
}

impl Statements {
    async fn prepare(connection: &Connection) -> Result<Self, Failure> {
        let open = format!("DELETE FROM exchange WHERE day = {OPEN} AND id = ANY ($1)");
        let prepare = |sql: String| async move { connection.prepare_cached(&sql).await };
        Ok(Self {
            cursor: prepare("SELECT sequence FROM cursor WHERE node = $1 FOR UPDATE".to_owned()).await?,
            join_cells: prepare(cells::JOIN.to_owned()).await?,
            hours_since: prepare(cells::HOURS_SINCE.to_owned()).await?,
            properties: prepare(cells::PROPERTIES.to_owned()).await?,
            numbers: prepare(bodies::NUMBERS.to_owned()).await?,
            lock_runs: prepare(views::LOCK_RUNS.to_owned()).await?,
            lock_sessions: prepare(views::LOCK_SESSIONS.to_owned()).await?,
            known_members: prepare(views::KNOWN_MEMBERS.to_owned()).await?,
            delete_open: prepare(open).await?,
            copy_exchanges: prepare(rows::copy("exchange", &rows::EXCHANGE)).await?,
            copy_properties: prepare(rows::copy("property", &rows::PROPERTY)).await?,
            copy_trail: prepare(rows::copy("trail", &trail::COLUMNS)).await?,
            set_cursor: prepare("UPDATE cursor SET sequence = $2 WHERE node = $1".to_owned()).await?,
        })
    }

    /// Reads everything in one round trip: the statements are sent one behind the other, and the server carries them out
    /// in this order.
    async fn read(
        &self,
        transaction: &Transaction<'_>,
        node: &str,
        prepared: &Prepared,
    ) -> Result<Read, Failure> {
        let ids: Vec<Uuid> = prepared.changes.iter().map(|change| change.record().id.uuid()).collect();
        // Planned anew, so that only the partitions of these days are looked at.
        let days: Vec<String> = prepared.days.iter().map(|day| day.days().to_string()).collect();
        let stored = format!(
            "SELECT {KEPT} FROM exchange WHERE day IN ({OPEN}, {}) AND id = ANY ($1)",
            days.join(", ")
        );
        let stored_parameters: [(&(dyn ToSql + Sync), _); 1] = [(&ids, Type::UUID_ARRAY)];
        let blocks = i64::try_from(prepared.blocks.len()).unwrap_or(i64::MAX);
        let Names { runs, sessions, members, workspaces } = Names::of(&prepared.entries);
        let runs = [
            views::ids(runs.iter().map(|(workspace, _)| *workspace)),
            views::texts(runs.iter().map(|(_, run)| run.as_str())),
        ];
        let sessions = [
            views::ids(sessions.iter().map(|(workspace, _)| *workspace)),
            views::texts(sessions.iter().map(|(_, session)| session.as_str())),
        ];
        let members = [
            views::ids(members.iter().map(|(workspace, ..)| *workspace)),
            views::texts(members.iter().map(|(_, session, _)| session.as_str())),
            views::texts(members.iter().map(|(.., run)| run.as_str())),
        ];
        let workspaces = [views::ids(workspaces.into_iter())];
        let workspaces = parameters(&workspaces);
        let (runs, sessions, members) = (parameters(&runs), parameters(&sessions), parameters(&members));
        let (node, blocks): ([&(dyn ToSql + Sync); 1], [&(dyn ToSql + Sync); 1]) = ([&node], [&blocks]);
        let (cursor, _, numbers, stored, runs, sessions, members, since, rolled_up) = tokio::try_join!(
            biased;
            transaction.query_one(&self.cursor, &node),
            transaction.query(&self.join_cells, &[]),
            transaction.query(&self.numbers, &blocks),
            transaction.query_typed(&stored, &stored_parameters),
            transaction.query(&self.lock_runs, &runs),
            transaction.query(&self.lock_sessions, &sessions),
            transaction.query(&self.known_members, &members),
            transaction.query_one(&self.hours_since, &[]),
            transaction.query(&self.properties, &workspaces),
        )?;
        let mut properties: HashMap<WorkspaceId, Vec<String>> = HashMap::new();
        for row in &rolled_up {
            properties.entry(WorkspaceId::new(column(row, 0)?)).or_default().push(column(row, 1)?);
        }
        Ok(Read {
            hours_since: Timestamp::from_micros(column(&since, 0)?),
            properties,
            cursor,
            stored: stored.iter().map(Kept::read).collect::<Result<_, _>>()?,
            numbers: numbers.iter().map(|row| column(row, 0)).collect::<Result<_, _>>()?,
            views: Views::read(&runs, &sessions, &members)?,
        })
    }

    /// Writes everything; two round trips, since a server says when it is ready to be copied to.
    async fn write(
        &self,
        transaction: &Transaction<'_>,
        plan: rows::Plan,
        trail: CopyRows,
        writes: &[Write],
        (node, last): (&str, Sequence),
    ) -> Result<(), Failure> {
        let last = integer(last.0);
        let closed: [&(dyn ToSql + Sync); 1] = [&plan.closed];
        let cursor: [&(dyn ToSql + Sync); 2] = [&node, &last];
        let mut several = Vec::with_capacity(writes.len());
        for write in writes.iter().filter(|write| !write.is_empty()) {
            let statement = transaction.prepare_cached(&write.sql).await?;
            several.push(async move { transaction.execute(&statement, &parameters(&write.arrays)).await });
        }
        tokio::try_join!(
            biased;
            transaction.execute(&self.delete_open, &closed),
            plan.exchanges.send(transaction, &self.copy_exchanges),
            plan.properties.send(transaction, &self.copy_properties),
            trail.send(transaction, &self.copy_trail),
            try_join_all(several),
            transaction.execute(&self.set_cursor, &cursor),
        )?;
        Ok(())
    }
}
