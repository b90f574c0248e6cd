//! Stored responses: the last few, within a bound of memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// At most so many are kept; the oldest goes first.
const MAX_STORED: usize = 1024;
/// At most so many bytes of output and input text are kept.
const MAX_STORED_BYTES: usize = 64 << 20;

/// A response that can be asked for again.
#[derive(Debug)]
pub(crate) struct Stored {
    pub id: String,
    /// The response as it stands once it is done.
    pub response: Value,
    /// The items it answers.
    pub input: Value,
    /// Whether it was made in the background, so that it can be cancelled.
    pub is_background: bool,
    /// About how much memory it takes.
    pub bytes: usize,
}

/// The stored responses, oldest first.
#[derive(Default)]
pub(crate) struct Store {
    kept: Mutex<VecDeque<Arc<Stored>>>,
}

impl Store {
    /// Keeps `stored` in place of one with the same id, and lets go of the oldest where there is no room.
    pub fn put(&self, stored: Stored) {
        let mut kept = self.kept();
        kept.retain(|other| other.id != stored.id);
        kept.push_back(Arc::new(stored));
        let mut bytes: usize = kept.iter().map(|stored| stored.bytes).sum();
        while kept.len() > MAX_STORED || bytes > MAX_STORED_BYTES {
            match kept.pop_front() {
                Some(oldest) => bytes -= oldest.bytes,
                None => break,
            }
        }
    }

    pub fn get(&self, id: &str) -> Option<Arc<Stored>> {
        self.kept().iter().rev().find(|stored| stored.id == id).cloned()
    }

    pub fn remove(&self, id: &str) -> Option<Arc<Stored>> {
        let mut kept = self.kept();
        let index = kept.iter().position(|stored| stored.id == id)?;
        kept.remove(index)
    }

    pub fn clear(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<Stored>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(id: usize, bytes: usize) -> Stored {
        Stored { id: id.to_string(), response: Value::Null, input: Value::Null, is_background: false, bytes }
    }

    #[test]
    fn the_oldest_goes_first() {
        let store = Store::default();
        (0..=MAX_STORED).for_each(|id| store.put(stored(id, 1)));
        assert!(store.get("0").is_none());
        assert!(store.get("1").is_some());
        store.put(stored(5000, MAX_STORED_BYTES));
        assert!(store.get("1").is_none());
        assert!(store.remove("5000").is_some());
        assert!(store.get("5000").is_none());
    }
}
