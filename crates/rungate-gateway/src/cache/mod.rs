//! Answers that are kept for the next equal request. In memory, bounded in bytes: what is asked for least makes room.
//!
//! Equal requests that come at once each go to the provider, as they would without; the answer that ends last is kept. So no
//! request waits for another's answer, or fails with it.

mod key;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use quick_cache::sync::DefaultLifecycle;
use quick_cache::{OptionsBuilder, Weighter};
use rungate_core::id::{ProviderKeyId, WorkspaceId};
use rungate_core::money::NanoUsd;

pub use key::{Identity, Key, Sharing};

use crate::memory::{MemoryPool, Room};

/// Parts of the cache, each with a lock and its share of the bytes.
const SHARDS: usize = 4;
/// No answer takes more than this part of the cache.
const LARGEST_PART: usize = 16;
/// What an answer is taken to be on average, to size what is remembered of answers that made room.
const TYPICAL_BYTES: usize = 8 << 10;
/// What an answer takes beside its bytes: its key, its place in the tables, the pointers between.
const OVERHEAD_BYTES: usize = 512;

/// An answer as it is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its body, as it was sent to the client before answers are filtered.
    pub body: Bytes,
    /// Where each piece of it ends, when it was a stream.
    pub pieces: Option<Box<[usize]>>,
    /// Its content type.
    pub content_type: Option<HeaderValue>,
    /// The model that answered.
    pub model: Option<String>,
    /// The start of its text.
    pub preview: String,
    /// What it cost; `None` where that is unknown.
    pub cost: Option<NanoUsd>,
}

/// An answer, and how long it is kept.
#[derive(Debug)]
struct Kept {
    answer: Answer,
    /// Since the process started.
    since: Duration,
    ttl: Duration,
}

/// A kept answer that can be given, and its age.
#[derive(Debug, Clone)]
pub struct Found {
    kept: Arc<Kept>,
    /// Since it was kept.
    pub age: Duration,
}

impl Found {
    /// The answer.
    pub fn answer(&self) -> &Answer {
        &self.kept.answer
    }
}

/// All answers that are kept.
pub struct Cache {
    answers: quick_cache::sync::Cache<Key, Arc<Kept>, Bytewise, std::hash::RandomState>,
    largest: usize,
}

#[derive(Clone)]
struct Bytewise;

impl Weighter<Key, Arc<Kept>> for Bytewise {
    fn weight(&self, _key: &Key, kept: &Arc<Kept>) -> u64 {
        kept.answer.weight() as u64
    }
}

impl Answer {
    /// The bytes that it takes.
    fn weight(&self) -> usize {
        let pieces = self.pieces.as_ref().map_or(0, |pieces| size_of_val(&**pieces));
        let content_type = self.content_type.as_ref().map_or(0, HeaderValue::len);
        let model = self.model.as_ref().map_or(0, String::capacity);
        OVERHEAD_BYTES + self.body.len() + pieces + content_type + model + self.preview.capacity()
    }
}

impl Cache {
    /// An empty cache of at most `bytes`; with 0 it keeps nothing.
    ///
    /// # Panics
    /// Never: it sets all that the library asks for.
    #[expect(clippy::expect_used, reason = "all that the library asks for is set right before")]
    pub fn new(bytes: usize) -> Self {
        let options = OptionsBuilder::new()
            .shards(SHARDS)
            .estimated_items_capacity(bytes / TYPICAL_BYTES)
            .weight_capacity(bytes as u64)
            .build()
            .expect("complete options");
        let hasher = std::hash::RandomState::new();
        let answers =
            quick_cache::sync::Cache::with_options(options, Bytewise, hasher, DefaultLifecycle::default());
        Self { answers, largest: bytes / LARGEST_PART }
    }

    /// Whether it keeps anything at all.
    pub const fn is_on(&self) -> bool {
        self.largest > OVERHEAD_BYTES
    }

    /// The largest answer that it keeps, in bytes of everything that is kept of it.
    pub const fn largest(&self) -> usize {
        self.largest
    }

    /// The bytes that are taken.
    pub fn bytes(&self) -> u64 {
        self.answers.weight()
    }

    /// The answers that are kept.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// The answer under `key`, if there is one that is not older than `max_age` nor than it was to become.
    pub fn find(&self, key: &Key, now: Duration, max_age: Duration) -> Option<Found> {
        let kept = self.answers.get(key)?;
        let age = now.saturating_sub(kept.since);
        if age >= kept.ttl {
            // Only this one: another request may have kept a new answer since.
            self.answers.remove_if(key, |other| Arc::ptr_eq(other, &kept));
            return None;
        }
        (age < max_age).then_some(Found { kept, age })
    }

    /// Lets go of everything that is kept for a workspace.
    pub fn forget(&self, workspace: WorkspaceId) {
        self.answers.retain(|key, _| key.workspace != workspace);
    }

    /// Keeps an answer, in place of what is kept under `key`. One that is too large is not kept.
    pub fn keep(&self, key: Key, answer: Answer, now: Duration, ttl: Duration) {
        if answer.weight() > self.largest {
            return;
        }
        self.answers.insert(key, Arc::new(Kept { answer, since: now, ttl }));
    }
}

/// The right to leave an answer: who asked found none, and its terms let it.
pub struct Ticket {
    /// Where the answer is kept.
    pub cache: Arc<Cache>,
    /// Under what.
    pub key: Key,
    /// For how long.
    pub ttl: Duration,
    /// Who must have answered: the provider key and the model that the key was made for.
    pub way: (ProviderKeyId, Option<String>),
}

/// Gathers the pieces of a stream that is to be kept. Bounded in bytes, by the cache and by the pool.
pub struct Gathering {
    body: BytesMut,
    ends: Vec<usize>,
    largest: usize,
    pool: MemoryPool,
    room: Room,
    is_whole: bool,
}

impl Gathering {
    /// Nothing yet, for an answer of at most `largest` bytes.
    pub fn new(largest: usize, pool: MemoryPool) -> Self {
        Self { body: BytesMut::new(), ends: Vec::new(), largest, pool, room: Room::default(), is_whole: true }
    }

    /// Adds a piece; from the first on that there is no room for, nothing is kept.
    pub fn add(&mut self, piece: &[u8]) {
        if !self.is_whole || piece.is_empty() {
            return;
        }
        let length = self.body.len() + piece.len();
        let bytes = length + (self.ends.len() + 1) * size_of::<usize>();
        if bytes > self.largest || self.pool.grow(&mut self.room, bytes).is_err() {
            self.is_whole = false;
            self.body = BytesMut::new();
            self.ends = Vec::new();
            self.room = Room::default();
            return;
        }
        self.body.extend_from_slice(piece);
        self.ends.push(length);
    }

    /// All pieces, in memory of their own size; `None` when some are missing.
    pub fn take(self) -> Option<(Bytes, Box<[usize]>)> {
        self.is_whole.then(|| (Bytes::copy_from_slice(&self.body), self.ends.into_boxed_slice()))
    }
}

#[cfg(test)]
mod tests;
