//! Which days there are, and the files of each.
//!
//! The writer adds and drops days; readers open the files of a day while they hold the list, so that no file is opened
//! halfway through its removal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rungate_core::page::Order;
use rungate_core::ports::StoreError;
use rungate_core::time::Day;
use rusqlite::Connection;

use super::super::file::{self, Access};
use super::super::{error, folder, migrate};
use super::bodies;

/// The days of a log folder.
#[derive(Debug)]
pub(crate) struct Days {
    dir: PathBuf,
    known: RwLock<Known>,
}

/// Tells a file of a day from another that took its place.
pub(crate) type Generation = u64;

#[derive(Debug, Default)]
struct Known {
    rows: BTreeMap<Day, Generation>,
    bodies: BTreeSet<Day>,
    next: Generation,
}

impl Days {
    /// Lists the files of `dir`, which is made if absent.
    pub fn open(dir: PathBuf) -> Result<Self, StoreError> {
        folder::make(&dir)?;
        let mut known = Known::default();
        for name in names(&dir)? {
            if let Some(day) = day_of(&name, "rows-", ".db") {
                known.rows.insert(day, 0);
            } else if let Some(day) = day_of(&name, "bodies-", ".seg") {
                bodies::finish_wipe(&dir.join(&name))?;
                known.bodies.insert(day);
            }
        }
        known.next = 1;
        Ok(Self { dir, known: RwLock::new(known) })
    }

    /// The file of what outlives the days.
    pub fn views(&self) -> PathBuf {
        self.dir.join("views.db")
    }

    /// The rows of a day.
    pub fn rows(&self, day: Day) -> PathBuf {
        self.dir.join(format!("rows-{day}.db"))
    }

    /// The bodies of a day.
    pub fn bodies(&self, day: Day) -> PathBuf {
        self.dir.join(format!("bodies-{day}.seg"))
    }

    /// Whether the bodies of a day are there.
    pub fn has_bodies(&self, day: Day) -> bool {
        self.read().bodies.contains(&day)
    }

    /// Days with rows, both ends inclusive, in the order of a list.
    pub fn listed(&self, from: Option<Day>, to: Option<Day>, order: Order) -> Vec<Day> {
        let within = |day: &&Day| from.is_none_or(|from| from <= **day) && to.is_none_or(|to| **day <= to);
        let mut days: Vec<Day> = self.read().rows.keys().filter(within).copied().collect();
        if order == Order::Desc {
            days.reverse();
        }
        days
    }

    /// The file of a day's rows; `None` when there is none.
    pub fn generation(&self, day: Day) -> Option<Generation> {
        self.read().rows.get(&day).copied()
    }

    /// Opens the rows of a day to read; `None` when there are none.
    pub fn open_reader(&self, day: Day) -> Result<Option<(Generation, Connection)>, StoreError> {
        let known = self.read();
        let Some(generation) = known.rows.get(&day).copied() else { return Ok(None) };
        let connection = file::open(&self.rows(day), migrate::ROWS, Access::Read)?;
        drop(known);
        Ok(Some((generation, connection)))
    }

    /// Opens the rows of a day to write, made if absent.
    pub fn open_writer(&self, day: Day) -> Result<Connection, StoreError> {
        let connection = file::open(&self.rows(day), migrate::ROWS, Access::Write)?;
        let mut known = self.write();
        let next = known.next;
        known.rows.entry(day).or_insert(next);
        known.next += 1;
        Ok(connection)
    }

    /// Notes that a day has a file of bodies.
    pub fn add_bodies(&self, day: Day) {
        self.write().bodies.insert(day);
    }

    /// Moves the damaged rows of a day aside, to be looked at; gives the new name.
    pub fn move_aside(&self, day: Day) -> Result<PathBuf, StoreError> {
        let mut known = self.write();
        known.rows.remove(&day);
        let rows = self.rows(day);
        let mut aside = suffixed(&rows, ".damaged");
        let mut number = 1_u32;
        while aside.exists() {
            number += 1;
            aside = suffixed(&rows, &format!(".damaged-{number}"));
        }
        for suffix in ["-wal", "-shm", ""] {
            let (from, to) = (suffixed(&rows, suffix), suffixed(&aside, suffix));
            match fs::rename(&from, &to) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error::io(&from, &error)),
                _ => {}
            }
        }
        folder::sync_names(&self.dir)?;
        Ok(aside)
    }

    /// Whether damaged rows of a day were moved aside, so that the rows it has are not all.
    pub fn was_moved_aside(&self, day: Day) -> Result<bool, StoreError> {
        Ok(names(&self.dir)?.iter().any(|name| damaged_day(name) == Some(day)))
    }

    /// Removes the rows of days before `before`, damaged ones too. How many days.
    pub fn drop_rows(&self, before: Day) -> Result<u64, StoreError> {
        let mut known = self.write();
        let mut dropped = 0;
        for day in known.rows.keys().copied().filter(|day| *day < before).collect::<Vec<_>>() {
            // The main file last: as long as it is there, the next try finds the rest.
            for suffix in ["-wal", "-shm", ""] {
                remove(&suffixed(&self.rows(day), suffix))?;
            }
            known.rows.remove(&day);
            dropped += 1;
        }
        for name in names(&self.dir)? {
            if damaged_day(&name).is_some_and(|day| day < before) {
                remove(&self.dir.join(name))?;
            }
        }
        Ok(dropped)
    }

    /// Removes the bodies of days before `before`. How many days.
    pub fn drop_bodies(&self, before: Day) -> Result<u64, StoreError> {
        let mut known = self.write();
        let mut dropped = 0;
        for day in known.bodies.iter().copied().filter(|day| *day < before).collect::<Vec<_>>() {
            remove(&self.bodies(day))?;
            known.bodies.remove(&day);
            dropped += 1;
        }
        Ok(dropped)
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The days used last, a few of them, each with what is open for it.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    room: usize,
    open: Vec<(Day, T)>,
}

impl<T> Recent<T> {
    /// Room for `room` days.
    pub const fn new(room: usize) -> Self {
        Self { room, open: Vec::new() }
    }

    /// Takes out what is open for a day.
    pub fn take(&mut self, day: Day) -> Option<T> {
        let place = self.open.iter().position(|(open, _)| *open == day)?;
        Some(self.open.remove(place).1)
    }

    /// Puts in what is open for a day, as the one used last; the one not used for longest makes room.
    pub fn put(&mut self, day: Day, value: T) -> &mut T {
        self.open.retain(|(open, _)| *open != day);
        if self.open.len() >= self.room {
            self.open.remove(0);
        }
        self.open.push((day, value));
        let last = self.open.len() - 1;
        &mut self.open[last].1
    }

    /// Closes the days for which `keep` is false.
    pub fn retain(&mut self, keep: impl Fn(Day) -> bool) {
        self.open.retain(|(day, _)| keep(*day));
    }

    /// Everything that is open.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.open.iter().map(|(_, value)| value)
    }
}

/// The names that the rows and the bodies of each day have, oldest day first, for days that have either.
pub(crate) fn day_files(dir: &Path) -> Result<Vec<(String, String)>, StoreError> {
    let names = names(dir)?;
    let of = |name: &String| day_of(name, "rows-", ".db").or_else(|| day_of(name, "bodies-", ".seg"));
    let days: BTreeSet<Day> = names.iter().filter_map(of).collect();
    Ok(days.into_iter().map(|day| (format!("rows-{day}.db"), format!("bodies-{day}.seg"))).collect())
}

fn names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let entries = fs::read_dir(dir).map_err(|error| error::io(dir, &error))?;
    let name = |entry: std::io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().into_string().ok());
    entries
        .filter_map(|entry| name(entry).transpose())
        .collect::<Result<_, _>>()
        .map_err(|error| error::io(dir, &error))
}

fn day_of(name: &str, prefix: &str, suffix: &str) -> Option<Day> {
    Day::parse(name.strip_prefix(prefix)?.strip_suffix(suffix)?)
}

fn damaged_day(name: &str) -> Option<Day> {
    name.split_once(".db.damaged").and_then(|(day, _)| day_of(day, "rows-", ""))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error::io(path, &error)),
        _ => Ok(()),
    }
}
