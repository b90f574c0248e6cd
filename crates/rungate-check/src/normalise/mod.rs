//! Forms in which values and texts can be compared: two spellings of one thing have one form, and what only looks alike has
//! another.

mod flatten;
mod typed;
mod words;

pub use flatten::{Leaf, TooMuch, flatten};
pub use typed::{Kind, Typed, mentions, typed};
pub use words::words;
