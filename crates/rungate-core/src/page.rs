//! Pages of lists: keyset cursors, never offsets into a growing log.

use serde::{Deserialize, Serialize};

/// One page of a list, in the order asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page starts; `None` at the end of the list.
    pub next: Option<Position>,
}

impl<T> Page<T> {
    /// A page without items.
    pub const fn empty() -> Self {
        Self { items: Vec::new(), next: None }
    }

    /// The same page with each item changed by `change`.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

/// The last item already seen: its time in microseconds and its id, which breaks ties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Microseconds since the Unix epoch.
    pub at: i64,
    /// The id of the item; any text that is unique among items of one time.
    pub id: String,
}

/// The direction of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Newest first.
    #[default]
    Desc,
    /// Oldest first.
    Asc,
}

/// What part of a list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// At most this many items, 1 to 200.
    pub limit: usize,
    /// Items after this position, in the order asked for.
    pub after: Option<Position>,
    /// The direction.
    pub order: Order,
}
