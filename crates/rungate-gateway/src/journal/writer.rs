//! What is behind the journal's one lock: the place of the next frame, the open segment, and who has room.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use rungate_core::exchange::Sequence;
use rungate_core::id::ExchangeId;

use super::disk::{Allocation, Disk, is_out_of_room, write_all};
use super::frame::{Bodies, Does, Frame, MAX_FRAME_BYTES};
use super::reserve::{Reserve, SLICE_BYTES};
use super::scan::Located;
use super::segment::{self, Loaded, Segment};
use super::tail::{Content, Tail};
use super::{JournalConfig, JournalError};

/// What is held for a closing beside twice the opening's record: attempts, decisions, previews and the error text are
/// only known at the end.
const CLOSING_BYTES: u64 = 16 << 10;

/// The writing half of the journal.
pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    config: JournalConfig,
    /// The sequence of the next frame.
    next: u64,
    /// The segment that is appended to.
    current: Option<Current>,
    /// Segments with frames, oldest first; the last one may be `current`. The newest is kept even when the log has
    /// all of it, since its last frame says where the sequences go on.
    segments: VecDeque<Segment>,
    /// Bytes and number of frames that the log has not taken over.
    undrained_bytes: u64,
    undrained_entries: u64,
    /// What is held for the closing of each open exchange, and the sum.
    open: HashMap<ExchangeId, u64>,
    held_bytes: u64,
    reserve: Reserve,
    tail: Tail,
    unsynced: Unsynced,
    /// The newest segment is to go like any other, and nothing is appended to it.
    retired: bool,
    /// Why nothing can be appended any more.
    stopped: Option<String>,
}

/// The segment that is appended to.
struct Current {
    file: Arc<File>,
    path: PathBuf,
    salt: u64,
    bytes: u64,
    /// Up to here the disk has given room.
    allocated: u64,
    /// Whether `segments` has it.
    listed: bool,
}

/// What a sync has to do.
#[derive(Default)]
pub(super) struct Unsynced {
    /// Files with new frames.
    pub(super) files: Vec<Arc<File>>,
    /// Whether there are new files.
    pub(super) names: bool,
    /// What is durable afterwards.
    pub(super) last: u64,
}

/// How hard to try for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// A segment of the usual size, with room given in advance.
    Usual,
    /// Only as much as the frame takes, in whatever segment is open.
    Least,
    /// As `Least`, and what the reserve gave back for the closings to come, before somebody else takes it.
    Slice,
}

impl Room {
    /// Up to where room is asked for, in a segment of `used` bytes that takes `bytes` more.
    fn target(self, used: u64, bytes: u64, limit: u64) -> u64 {
        match self {
            Self::Usual => limit.max(used + bytes),
            Self::Least => used + bytes,
            Self::Slice => used + bytes.max(SLICE_BYTES / 8 * 7),
        }
    }
}

impl Writer {
    /// Goes on where the files end.
    pub(super) fn new(disk: Arc<dyn Disk>, config: JournalConfig, loaded: Loaded, reserve: Reserve) -> Self {
        let frames = || loaded.segments.iter().flat_map(|segment| &segment.frames);
        Self {
            disk,
            config,
            next: loaded.last + 1,
            current: None,
            undrained_bytes: frames().map(|frame| frame.bytes).sum(),
            undrained_entries: frames().count() as u64,
            segments: loaded.segments,
            open: HashMap::new(),
            held_bytes: 0,
            reserve,
            tail: Tail::new(loaded.last),
            unsynced: Unsynced::default(),
            retired: false,
            stopped: None,
        }
    }

    /// Appends a frame, or leaves the journal as it was.
    pub(super) fn append(&mut self, frame: &Frame<'_>, content: Content) -> Result<Sequence, JournalError> {
        if let Some(reason) = &self.stopped {
            return Err(io::Error::other(reason.clone()).into());
        }
        let (sequence, bodies) = match frame.does {
            Does::Open(exchange) => self.append_opening(frame, exchange)?,
            Does::Close(exchange) => self.append_closing(frame, exchange)?,
            Does::Tell => self.append_telling(frame)?,
        };
        if bodies == Bodies::Kept {
            self.tail.push(sequence.0, frame.json(), content);
        } else {
            self.tail.skip(sequence.0);
        }
        Ok(sequence)
    }

    fn append_opening(
        &mut self,
        frame: &Frame<'_>,
        exchange: ExchangeId,
    ) -> Result<(Sequence, Bodies), JournalError> {
        let bodies = fitting(frame);
        let held = 2 * frame.bytes(Bodies::LeftOut) + CLOSING_BYTES;
        if self.undrained_bytes + self.held_bytes + frame.bytes(bodies) + held > self.config.max_bytes {
            return Err(JournalError::Full(self.undrained_bytes));
        }
        self.reserve.cover(self.held_bytes + held, &*self.disk)?;
        let sequence = self.write(frame, bodies, Room::Usual)?;
        self.hold(exchange, held);
        Ok((sequence, bodies))
    }

    /// A closing whose opening was accepted is never refused by the bound; a refusal, which has none, is.
    fn append_closing(
        &mut self,
        frame: &Frame<'_>,
        exchange: ExchangeId,
    ) -> Result<(Sequence, Bodies), JournalError> {
        let held = self.open.get(&exchange).copied();
        let taken = self.undrained_bytes + self.held_bytes - held.unwrap_or(0);
        let fits = |bodies| taken + frame.bytes(bodies) <= self.config.max_bytes;
        let mut bodies = fitting(frame);
        if !fits(bodies) {
            bodies = Bodies::LeftOut;
            if held.is_none() && !fits(bodies) {
                return Err(JournalError::Full(self.undrained_bytes));
            }
        }
        let sequence = match self.write(frame, bodies, Room::Usual) {
            Err(error) if held.is_some() && is_out_of_room(&error) => {
                bodies = Bodies::LeftOut;
                self.write_at_any_cost(frame)?
            }
            result => result?,
        };
        if let Some(held) = self.open.remove(&exchange) {
            self.held_bytes -= held;
        }
        Ok((sequence, bodies))
    }

    /// Whole or not at all: whoever is told that it is kept may count on all of it.
    fn append_telling(&mut self, frame: &Frame<'_>) -> Result<(Sequence, Bodies), JournalError> {
        let bytes = frame.bytes(Bodies::Kept);
        if self.undrained_bytes + self.held_bytes + bytes > self.config.max_bytes {
            return Err(JournalError::Full(self.undrained_bytes));
        }
        Ok((self.write(frame, Bodies::Kept, Room::Usual)?, Bodies::Kept))
    }

    /// The disk is full: the record alone, into room given in advance, and else into room from the reserve.
    fn write_at_any_cost(&mut self, frame: &Frame<'_>) -> io::Result<Sequence> {
        match self.write(frame, Bodies::LeftOut, Room::Least) {
            Err(error) if is_out_of_room(&error) => {
                self.reserve.give_back(frame.bytes(Bodies::LeftOut), &*self.disk)?;
                match self.write(frame, Bodies::LeftOut, Room::Slice) {
                    Err(error) if is_out_of_room(&error) => self.write(frame, Bodies::LeftOut, Room::Least),
                    result => result,
                }
            }
            result => result,
        }
    }

    fn write(&mut self, frame: &Frame<'_>, bodies: Bodies, room: Room) -> io::Result<Sequence> {
        let bytes = frame.bytes(bodies);
        self.make_room(bytes, room)?;
        let Some(current) = &mut self.current else {
            return Err(io::Error::other("the journal has no open segment"));
        };
        let sequence = self.next;
        let header = frame.header(sequence, current.salt, bodies);
        let [record, request, response] = frame.payload(bodies);
        let mut parts = [&header, record, request, response].map(IoSlice::new);
        if let Err(error) = write_all(&*self.disk, &current.file, &mut parts) {
            self.take_back();
            return Err(error);
        }
        let located = Located { sequence, offset: current.bytes, bytes };
        current.bytes += bytes;
        if current.listed {
            if let Some(segment) = self.segments.back_mut() {
                segment.last = sequence;
                segment.frames.push_back(located);
            }
        } else {
            current.listed = true;
            let path = current.path.clone();
            self.segments.push_back(Segment { path, last: sequence, frames: VecDeque::from([located]) });
        }
        if self.unsynced.files.last().is_none_or(|file| !Arc::ptr_eq(file, &current.file)) {
            self.unsynced.files.push(Arc::clone(&current.file));
        }
        self.unsynced.last = sequence;
        self.next += 1;
        self.undrained_bytes += bytes;
        self.undrained_entries += 1;
        Ok(Sequence(sequence))
    }

    /// Cuts a part of a frame off again. A segment where that fails is left alone: its torn end is cut when the
    /// journal is opened next, and nothing is written behind it.
    fn take_back(&mut self) {
        let Some(current) = &mut self.current else { return };
        // Room behind the end went with it.
        current.allocated = current.bytes;
        if let Err(error) = self.disk.set_len(&current.file, current.bytes) {
            tracing::error!(segment = %current.path.display(), %error, "a torn frame cannot be cut off the journal");
            self.current = None;
        }
    }

    /// Leaves `current` with room for a frame, or as it was.
    fn make_room(&mut self, bytes: u64, room: Room) -> io::Result<()> {
        let limit = self.config.segment_bytes;
        let Some(current) = &mut self.current else { return self.start_segment(bytes, room) };
        let rotate = room == Room::Usual && current.bytes > 0 && current.bytes + bytes > limit;
        if rotate {
            return self.start_segment(bytes, room);
        }
        let end = current.bytes + bytes;
        if end > current.allocated {
            let target = room.target(current.bytes, bytes, limit);
            current.allocated = allocate(&*self.disk, &current.file, target)?;
        }
        Ok(())
    }

    fn start_segment(&mut self, bytes: u64, room: Room) -> io::Result<()> {
        let (path, file) = loop {
            let path = segment::path(&self.config.dir, self.next);
            match self.disk.create(&path) {
                Ok(file) => break (path, file),
                // Left alone without a frame after a failure; the number goes with it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.next += 1,
                Err(error) => return Err(error),
            }
        };
        let target = room.target(0, bytes, self.config.segment_bytes);
        let allocated = allocate(&*self.disk, &file, target).inspect_err(|_| {
            let _ = fs::remove_file(&path);
        })?;
        if let Some(full) = self.current.take() {
            // Gives room behind its end back; if not now, then when the journal is opened next.
            let _ = self.disk.set_len(&full.file, full.bytes);
            if !full.listed {
                let _ = fs::remove_file(&full.path);
            }
        }
        let salt = RandomState::new().hash_one(self.next);
        self.current = Some(Current { file: Arc::new(file), path, salt, bytes: 0, allocated, listed: false });
        self.unsynced.names = true;
        self.retired = false;
        Ok(())
    }

    /// Counts an exchange as open, so that its closing has room.
    fn hold(&mut self, exchange: ExchangeId, bytes: u64) {
        let before = self.open.insert(exchange, bytes).unwrap_or(0);
        self.held_bytes = self.held_bytes - before + bytes;
    }

    /// Counts an exchange of an earlier process as open.
    pub(super) fn adopt(&mut self, exchange: ExchangeId) {
        self.hold(exchange, CLOSING_BYTES);
        // On a full disk what an earlier process held back is still there.
        let _ = self.reserve.cover(self.held_bytes, &*self.disk);
    }

    /// Goes on above `sequence`.
    pub(super) fn ensure_after(&mut self, sequence: u64) {
        self.next = self.next.max(sequence.saturating_add(1));
    }

    /// The last sequence given.
    pub(super) fn last(&self) -> Sequence {
        Sequence(self.next - 1)
    }

    /// Bytes the log has not taken over.
    pub(super) fn undrained_bytes(&self) -> u64 {
        self.undrained_bytes
    }

    /// Frames the log has not taken over.
    pub(super) fn undrained_entries(&self) -> u64 {
        self.undrained_entries
    }

    /// The bound on what the log has not taken over.
    pub(super) fn max_bytes(&self) -> u64 {
        self.config.max_bytes
    }

    /// Bytes held for closings.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// The first frame the log has not taken over.
    pub(super) fn first_undrained(&self) -> Option<u64> {
        self.segments.iter().find_map(|segment| segment.frames.front()).map(|frame| frame.sequence)
    }

    /// The end of the journal in memory.
    pub(super) const fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Where the frames after `after` lie, by file, until `max_bytes` are gathered (at least one, if there is one).
    pub(super) fn locate(&self, after: u64, max_bytes: u64) -> Vec<(PathBuf, Vec<Located>)> {
        let mut found = Vec::new();
        let mut gathered = 0;
        for segment in self.segments.iter().filter(|segment| segment.last > after) {
            let begin = segment.frames.partition_point(|frame| frame.sequence <= after);
            let mut frames = Vec::new();
            for frame in segment.frames.range(begin..) {
                if gathered > 0 && gathered + frame.bytes > max_bytes {
                    break;
                }
                gathered += frame.bytes;
                frames.push(*frame);
            }
            let cut_short = frames.len() < segment.frames.len() - begin;
            if !frames.is_empty() {
                found.push((segment.path.clone(), frames));
            }
            if cut_short {
                break;
            }
        }
        found
    }

    /// The log has everything up to `sequence`. Files nobody needs any more.
    pub(super) fn release(&mut self, sequence: u64) -> Vec<PathBuf> {
        self.tail.release(sequence);
        for segment in &mut self.segments {
            while let Some(frame) = segment.frames.pop_front_if(|frame| frame.sequence <= sequence) {
                self.undrained_bytes -= frame.bytes;
                self.undrained_entries -= 1;
            }
            if !segment.frames.is_empty() {
                break;
            }
        }
        let mut done = Vec::new();
        let kept = usize::from(!self.retired);
        while self.segments.len() > kept && self.segments[0].frames.is_empty() {
            done.extend(self.segments.pop_front().map(|segment| segment.path));
        }
        done
    }

    /// Starts a new file with the next frame, and lets the newest go when the log has all of it: where the sequences go
    /// on is then for the log to say.
    pub(super) fn retire(&mut self) {
        self.retired = true;
        if let Some(newest) = self.current.take() {
            // Gives room behind its end back; if not now, then when the journal is opened next.
            let _ = self.disk.set_len(&newest.file, newest.bytes);
            if !newest.listed {
                let _ = fs::remove_file(&newest.path);
            }
        }
    }

    /// A frame that cannot be read any more: nobody shall wait for it.
    pub(super) fn forget(&mut self, frame: Located) {
        for segment in &mut self.segments {
            if let Ok(at) = segment.frames.binary_search_by_key(&frame.sequence, |frame| frame.sequence) {
                segment.frames.remove(at);
                self.undrained_bytes -= frame.bytes;
                self.undrained_entries -= 1;
            }
        }
    }

    /// Whether there is something to sync.
    pub(super) fn is_dirty(&self) -> bool {
        !self.unsynced.files.is_empty()
    }

    /// Takes what there is to sync.
    pub(super) fn take_unsynced(&mut self) -> Unsynced {
        std::mem::take(&mut self.unsynced)
    }

    /// Whether everything is refused from now on.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Refuses everything from now on. The first reason stays.
    pub(super) fn stop(&mut self, reason: String) {
        self.stopped.get_or_insert(reason);
    }
}

/// Bodies that make a frame too large are left out.
fn fitting(frame: &Frame<'_>) -> Bodies {
    if frame.bytes(Bodies::Kept) > MAX_FRAME_BYTES { Bodies::LeftOut } else { Bodies::Kept }
}

/// Up to where there is room now. Where the file system gives none in advance, nothing is asked again.
fn allocate(disk: &dyn Disk, file: &File, target: u64) -> io::Result<u64> {
    Ok(if disk.allocate(file, Allocation::Ahead, target)? { target } else { u64::MAX })
}
