//! The counters that are not idle, in a bounded number of bytes.

use std::collections::HashMap;

use rungate_core::id::WorkspaceId;

use super::log::Log;
use super::terms::{Counter, Subject};

/// Bytes that are counted for a counter beside its log and its run's name: its place here, its place in the index, and
/// the slack that growing tables have.
const COUNTER_BYTES: usize = 2 * (size_of::<Slot>() + size_of::<(Counter, u32)>());
/// Slots looked at for each admission, so that all are looked at before half as many requests as there are slots.
const SLOTS_PER_ADMISSION: usize = 2;
/// Slots looked at when there is no room.
const SLOTS_WHEN_FULL: usize = 64;

/// A place for a counter.
#[derive(Debug)]
pub(super) struct Slot {
    /// `None` where the place is free.
    owner: Option<Owner>,
    pub(super) log: Log,
    /// Admissions that will come back to correct the count or to give a place back. It is not forgotten before.
    pub(super) holders: u32,
}

#[derive(Debug)]
struct Owner {
    workspace: WorkspaceId,
    counter: Counter,
}

/// The counters.
#[derive(Debug)]
pub(super) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    index: HashMap<Counter, u32>,
    /// The next slot to look at for being idle.
    hand: usize,
    room: Room,
}

/// Who has taken how many bytes.
#[derive(Debug)]
struct Room {
    capacity: usize,
    used: usize,
    /// By counters of runs and addresses, of which callers make as many as they like.
    open_ended: usize,
    open_ended_of: HashMap<WorkspaceId, usize>,
}

impl Table {
    pub(super) fn new(capacity_bytes: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashMap::new(),
            hand: 0,
            room: Room { capacity: capacity_bytes, used: 0, open_ended: 0, open_ended_of: HashMap::new() },
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.room.used
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn find(&self, counter: &Counter) -> Option<u32> {
        self.index.get(counter).copied()
    }

    pub(super) fn slot(&mut self, number: u32) -> &mut Slot {
        &mut self.slots[number as usize]
    }

    /// Makes a place for a counter that has none; `None` when there is no room.
    pub(super) fn add(&mut self, workspace: WorkspaceId, counter: &Counter) -> Option<u32> {
        let bytes = own_bytes(counter) + Log::first_bytes();
        if !self.room.has(workspace, counter, bytes) {
            return None;
        }
        let slot = Slot {
            owner: Some(Owner { workspace, counter: counter.clone() }),
            log: Log::default(),
            holders: 0,
        };
        let number = if let Some(number) = self.free.pop() {
            self.slots[number as usize] = slot;
            number
        } else {
            let number = u32::try_from(self.slots.len()).ok()?;
            self.slots.push(slot);
            number
        };
        self.index.insert(counter.clone(), number);
        self.room.take(workspace, counter, bytes);
        Some(number)
    }

    /// Changes a log with `change`, which is told whether it may grow, and counts what it has grown.
    pub(super) fn change_log<T>(&mut self, number: u32, change: impl FnOnce(&mut Log, bool) -> T) -> T {
        let Slot { owner, log, .. } = &mut self.slots[number as usize];
        let Some(Owner { workspace, counter }) = owner else { return change(log, false) };
        let before = log.bytes();
        let growth = log.growth_bytes();
        let changed = change(log, growth == 0 || self.room.has(*workspace, counter, growth));
        let grown = log.bytes() - before;
        if grown > 0 {
            self.room.take(*workspace, counter, grown);
        }
        changed
    }

    /// Looks at the next few slots and forgets what is idle there. Slot numbers found before may be of others after it.
    pub(super) fn tidy(&mut self, now: u64) {
        self.forget_idle(now, SLOTS_PER_ADMISSION);
    }

    /// As [`Table::tidy`], at more slots, since there is no room.
    pub(super) fn make_room(&mut self, now: u64) {
        self.forget_idle(now, SLOTS_WHEN_FULL);
    }

    fn forget_idle(&mut self, now: u64, slots: usize) {
        for _ in 0..slots.min(self.slots.len()) {
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &mut self.slots[self.hand];
            let Some(Owner { counter, .. }) = &slot.owner else { continue };
            slot.log.expire(now, counter.unit.window_ns());
            if slot.holders > 0 || slot.log.used() > 0 {
                continue;
            }
            let bytes = slot.log.bytes();
            slot.log = Log::default();
            if let (Some(Owner { workspace, counter }), Ok(number)) =
                (slot.owner.take(), u32::try_from(self.hand))
            {
                self.index.remove(&counter);
                self.free.push(number);
                self.room.give_back(workspace, &counter, own_bytes(&counter) + bytes);
            }
        }
    }
}

impl Room {
    /// Runs and addresses have at most three quarters, and those of one workspace at most one quarter, so that whoever
    /// makes them up can crowd out neither other workspaces nor the counters of keys and agents.
    fn has(&self, workspace: WorkspaceId, counter: &Counter, bytes: usize) -> bool {
        if self.used + bytes > self.capacity {
            return false;
        }
        let own = || self.open_ended_of.get(&workspace).copied().unwrap_or(0);
        !counter.subject.is_open_ended()
            || (self.open_ended + bytes <= self.capacity / 4 * 3 && own() + bytes <= self.capacity / 4)
    }

    fn take(&mut self, workspace: WorkspaceId, counter: &Counter, bytes: usize) {
        self.used += bytes;
        if counter.subject.is_open_ended() {
            self.open_ended += bytes;
            *self.open_ended_of.entry(workspace).or_default() += bytes;
        }
    }

    fn give_back(&mut self, workspace: WorkspaceId, counter: &Counter, bytes: usize) {
        self.used -= bytes;
        if !counter.subject.is_open_ended() {
            return;
        }
        self.open_ended -= bytes;
        if let Some(own) = self.open_ended_of.get_mut(&workspace) {
            *own -= bytes;
            if *own == 0 {
                self.open_ended_of.remove(&workspace);
            }
        }
    }
}

/// Bytes of a counter without its log.
fn own_bytes(counter: &Counter) -> usize {
    let name = if let Subject::Run(run) = &counter.subject { run.as_str().len() } else { 0 };
    COUNTER_BYTES + 2 * name
}
