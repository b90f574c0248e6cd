//! What the rules need from the outside world, as interfaces. Storage is split into roles, not one fat trait.

mod catalog;
mod clock;
mod log;
pub use catalog::*;
pub use clock::*;
pub use log::*;
