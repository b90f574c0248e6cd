//! The one writer of the log.
//!
//! Days are written before `views.db`, and each file commits its place in the journal with its rows. Between two of these
//! commits a crash may come; the batch is then applied again, and each file leaves out what it has. The place of
//! `views.db`, written last, is thus the place up to which everything is applied.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rungate_core::exchange::{Entry, Erased, RebuildMode, Rebuilt, Sequence, Sequenced, Subject};
use rungate_core::id::WorkspaceId;
use rungate_core::page::Order;
use rungate_core::ports::{Dropped, Expired, Expiry, StoreError};
use rungate_core::time::Day;
use rusqlite::Connection;

use super::super::file::{self, Access};
use super::super::migrate;
use super::days::{Days, Recent};
use super::rebuild::{self, Scope};
use super::replay::{self, Replay};
use super::rows::{self, DayWriter};
use super::seen::Seen;
use super::{cells, erase, expire, older, views};
use crate::record::{partition, partition_of_entry};

/// Days kept open to write: today, yesterday around midnight, and one more for late closings.
const OPEN_DAYS: usize = 3;

/// Owns every file of the log that is written.
pub(crate) struct LogWriter {
    days: Arc<Days>,
    views: Connection,
    open: Recent<DayWriter>,
    applied: Arc<AtomicU64>,
    seen: Arc<Seen>,
}

impl LogWriter {
    /// Opens `views.db`, made if absent. Days are opened when they are written.
    pub fn open(days: Arc<Days>) -> Result<Self, StoreError> {
        let views = file::open(&days.views(), migrate::VIEWS, Access::Write).map_err(with_remedy)?;
        let applied = Arc::new(AtomicU64::new(rows::applied(&views)?.0));
        let seen = Arc::new(Seen::new());
        let mut writer = Self { days, views, open: Recent::new(OPEN_DAYS), applied, seen };
        writer.catch_up()?;
        if older::is_there(&writer.views)? {
            writer.move_older()?;
        }
        Ok(writer)
    }

    /// Applies again to `views.db` what the days have and it should have. A crash in the middle does no harm: the next
    /// start goes on.
    fn catch_up(&mut self) -> Result<(), StoreError> {
        let (applied, known) = (Sequence(self.applied.load(Ordering::Acquire)), replay::known(&self.days)?);
        if applied >= known {
            return Ok(());
        }
        tracing::warn!(
            applied = applied.0,
            known = known.0,
            "views.db lags behind the rows: runs, sessions and roll-ups are made anew from the rows that are kept; \
             which properties are rolled up must be said again"
        );
        let mut replay = Replay::open(Arc::clone(&self.days), applied, known)?;
        loop {
            let chunk = replay.chunk()?;
            if chunk.is_empty() {
                break;
            }
            self.apply_views(&chunk.iter().collect::<Vec<_>>(), &HashSet::new())?;
        }
        // Rows up to here may be gone with their days.
        let applied = known.max(Sequence(self.applied.load(Ordering::Acquire)));
        views::set_applied(&mut self.views, applied)?;
        self.applied.store(applied.0, Ordering::Release);
        Ok(())
    }

    /// A crash in the middle does no harm: the next start does it all again.
    fn move_older(&mut self) -> Result<(), StoreError> {
        tracing::info!("making roll-ups by hour and day from the rows that are kept");
        let mut made = BTreeSet::new();
        for day in self.days.listed(None, None, Order::Asc) {
            match self.rebuild(day, RebuildMode::Mend) {
                Ok(_) => {
                    made.insert(day);
                }
                // Its older sums are all that is left.
                Err(StoreError::Corrupt(reason)) => {
                    tracing::warn!(%day, reason, "kept the older sums of a day");
                }
                Err(error) => return Err(error),
            }
        }
        older::move_days(&mut self.views, &made)
    }

    /// Which runs and sessions there may be.
    pub fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.seen)
    }

    /// The place up to which everything is applied, for others to read.
    pub fn applied(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.applied)
    }

    /// Applies a batch; see [`rungate_core::ports::Log::apply`].
    pub fn apply(&mut self, batch: &[Sequenced]) -> Result<(), StoreError> {
        let applied = Sequence(self.applied.load(Ordering::Acquire));
        let mut entries: Vec<&Sequenced> = batch.iter().filter(|entry| entry.sequence > applied).collect();
        entries.sort_by_key(|entry| entry.sequence);
        let mut repeated = HashSet::new();
        for (day, entries) in by_day(&entries) {
            repeated.extend(self.apply_day(day, &entries)?);
        }
        let kept = self.kept_closings(&entries, &repeated)?;
        repeated.retain(|sequence| !kept.contains_key(sequence));
        for entry in entries.iter().filter(|entry| repeated.contains(&entry.sequence)) {
            let (sequence, exchange) = (entry.sequence.0, entry.entry.exchange_id());
            tracing::error!(
                sequence,
                ?exchange,
                "the journal opens or closes an exchange twice; the second is left out"
            );
        }
        let entries: Vec<&Sequenced> =
            entries.into_iter().map(|entry| kept.get(&entry.sequence).unwrap_or(entry)).collect();
        self.apply_views(&entries, &repeated)
    }

    /// Closings that a day has and `views.db` never got, by the closing that repeats them: the process was killed
    /// between the two, and the journal had lost the closing when it was read again. What the day keeps is what counts.
    fn kept_closings(
        &self,
        entries: &[&Sequenced],
        repeated: &HashSet<Sequence>,
    ) -> Result<HashMap<Sequence, Sequenced>, StoreError> {
        let closings = || entries.iter().filter(|entry| matches!(*entry.entry, Entry::Closed { .. }));
        let is_repeated = |entry: &&&Sequenced| repeated.contains(&entry.sequence);
        let mut kept = HashMap::new();
        for entry in closings().filter(is_repeated) {
            let sequence = entry.sequence;
            let Some(record) = entry.entry.record() else { continue };
            let id = record.id;
            let is_closed_here = closings().any(|other| {
                other.entry.exchange_id() == Some(id) && (!is_repeated(&other) || other.sequence < sequence)
            });
            if is_closed_here || !views::is_pending(&self.views, id)? {
                continue;
            }
            let Some((_, rows)) = self.days.open_reader(partition(record))? else { continue };
            if let Some((record, json)) = rows::closed_record(&rows, id)? {
                tracing::warn!(%id, "an exchange whose closing the journal had lost counts as its day has it");
                let entry = Entry::Closed { record: Arc::new(record), request: None, response: None };
                let entry = Arc::new(entry);
                kept.insert(sequence, Sequenced { sequence, entry, opening: None, json: json.into() });
            }
        }
        Ok(kept)
    }

    /// Applies the entries of one day; gives those that are to be left out everywhere.
    pub fn apply_day(&mut self, day: Day, entries: &[&Sequenced]) -> Result<HashSet<Sequence>, StoreError> {
        match self.try_day(day, entries) {
            Err(StoreError::Corrupt(reason)) => {
                // Without this the journal could never be emptied again.
                let aside = self.days.move_aside(day)?;
                tracing::error!(
                    %day,
                    reason,
                    aside = %aside.display(),
                    "the rows of a day are damaged: they were moved aside, and the day starts anew"
                );
                self.try_day(day, entries)
            }
            result => result,
        }
    }

    fn try_day(&mut self, day: Day, entries: &[&Sequenced]) -> Result<HashSet<Sequence>, StoreError> {
        let mut writer = match self.open.take(day) {
            Some(writer) => writer,
            None => DayWriter::open(&self.days, day)?,
        };
        // After an error it stays closed, and the next batch opens it anew.
        let whole = Sequence(self.applied.load(Ordering::Acquire));
        let repeated = writer
            .apply(&self.days, entries, whole)
            .map_err(|error| file::name(&self.days.rows(day), error))?;
        self.open.put(day, writer);
        Ok(repeated)
    }

    /// Applies entries to what outlives the days; the last step of a batch.
    pub fn apply_views(
        &mut self,
        entries: &[&Sequenced],
        repeated: &HashSet<Sequence>,
    ) -> Result<(), StoreError> {
        let Some(last) = entries.last().map(|entry| entry.sequence) else { return Ok(()) };
        self.seen.fill(&self.views)?;
        self.seen.note(entries);
        views::apply(&mut self.views, entries, repeated)
            .map_err(|error| file::name(&self.days.views(), error))?;
        self.applied.store(last.0, Ordering::Release);
        Ok(())
    }

    /// Takes the text out of a subject's exchanges; see [`rungate_core::ports::Log::erase`].
    pub fn erase(&mut self, workspace: WorkspaceId, subject: &Subject) -> Result<Erased, StoreError> {
        let mut erased = Erased::default();
        for day in self.days.listed(None, None, Order::Asc) {
            let segment = self.days.bodies(day);
            erased.add(self.on_day(day, |rows| erase::day(rows, &segment, workspace, subject))?);
        }
        erase::pending(&mut self.views, workspace, subject)?;
        file::checkpoint(&self.views);
        Ok(erased)
    }

    /// Whether a day is held to `retention` already, or is not there.
    pub fn is_held_to(&self, day: Day, retention: &str) -> Result<bool, StoreError> {
        let Some((_, rows)) = self.days.open_reader(day)? else { return Ok(true) };
        Ok(expire::retention(&rows)?.as_deref() == Some(retention))
    }

    /// Takes one group of what `expiry` says out of a day; nothing when there is none left.
    pub fn expire_step(&mut self, day: Day, expiry: &Expiry) -> Result<Option<Expired>, StoreError> {
        let segment = self.days.bodies(day);
        self.on_day(day, |rows| expire::step(rows, &segment, expiry))
    }

    /// Notes what a day is held to; the pages of what is gone leave the write-ahead log.
    pub fn held_to(&mut self, day: Day, retention: &str) -> Result<(), StoreError> {
        self.on_day(day, |rows| {
            expire::set_retention(rows, retention)?;
            file::checkpoint(rows);
            Ok(())
        })
    }

    fn on_day<T>(
        &mut self,
        day: Day,
        change: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = match self.open.take(day) {
            Some(writer) => writer,
            None => DayWriter::open(&self.days, day)?,
        };
        let changed =
            change(writer.connection_mut()).map_err(|error| file::name(&self.days.rows(day), error))?;
        self.open.put(day, writer);
        Ok(changed)
    }

    /// Drops days; see [`rungate_core::ports::Log::retain`].
    pub fn retain(
        &mut self,
        rows_before: Day,
        bodies_before: Day,
        hours_before: Day,
    ) -> Result<Dropped, StoreError> {
        cells::drop_hours(&mut self.views, hours_before)?;
        self.open.retain(|day| day >= rows_before);
        let row_days = self.days.drop_rows(rows_before)?;
        // Bodies without rows can be reached by nobody.
        let body_days = self.days.drop_bodies(bodies_before.max(rows_before))?;
        Ok(Dropped { row_days, body_days })
    }

    /// Says which properties are rolled up; gives the keys whose older rows are not in yet.
    pub fn set_rollup_properties(
        &mut self,
        workspace: WorkspaceId,
        keys: &[String],
    ) -> Result<Vec<String>, StoreError> {
        cells::set_properties(&mut self.views, workspace, keys)
    }

    /// Brings the rows of a day into the cells of a property key.
    pub fn fill_property(&mut self, day: Day, workspace: WorkspaceId, key: String) -> Result<(), StoreError> {
        self.rebuild_scopes(day, RebuildMode::Mend, Some(Scope::Property(workspace, key))).map(|_| ())
    }

    /// Notes that the rows of every day are in the cells of these keys.
    pub fn set_filled(&mut self, workspace: WorkspaceId, keys: &[String]) -> Result<(), StoreError> {
        cells::set_filled(&self.views, workspace, keys)
    }

    /// Makes the cells of a day anew; see [`rungate_core::ports::Log::rebuild_rollups`].
    pub fn rebuild(&mut self, day: Day, mode: RebuildMode) -> Result<Rebuilt, StoreError> {
        self.rebuild_scopes(day, mode, None)
    }

    fn rebuild_scopes(
        &mut self,
        day: Day,
        mode: RebuildMode,
        only: Option<Scope>,
    ) -> Result<Rebuilt, StoreError> {
        if self.days.was_moved_aside(day)? {
            return Err(StoreError::Corrupt(format!(
                "rows of {day} were damaged and moved aside, so its sums cannot be made from those that are left"
            )));
        }
        let Some((_, rows)) = self.days.open_reader(day)? else { return Ok(Rebuilt::default()) };
        if expire::is_thinned(&rows)? {
            return Ok(Rebuilt::default());
        }
        let applied = Sequence(self.applied.load(Ordering::Acquire));
        rebuild::rebuild(&mut self.views, &rows, applied, day, mode, only)
    }

    /// Writes everything into the main files.
    pub fn close(self) {
        for day in self.open.iter() {
            file::checkpoint(day.connection());
        }
        file::checkpoint(&self.views);
    }
}

/// What an operator can do about a damaged `views.db`. Not done unasked: sums of days whose rows are gone would be lost.
fn with_remedy(error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt(reason) => StoreError::Corrupt(format!(
            "{reason}; take the file from a backup, or move it away with its -wal and -shm: runs, sessions and sums are \
             then made anew from the rows that are kept"
        )),
        error @ StoreError::Unavailable(_) => error,
    }
}

/// The entries of each day, oldest day first.
pub(crate) fn by_day<'a>(entries: &[&'a Sequenced]) -> BTreeMap<Day, Vec<&'a Sequenced>> {
    let mut days: BTreeMap<Day, Vec<&Sequenced>> = BTreeMap::new();
    for entry in entries.iter().copied() {
        days.entry(partition_of_entry(&entry.entry)).or_default().push(entry);
    }
    days
}
