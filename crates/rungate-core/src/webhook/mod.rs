//! Outgoing webhooks: where a workspace wants to be told of what happened, and what became of each message.

mod budget;
mod delivery;
mod event;
mod resource;
mod signing;

pub use budget::*;
pub use delivery::*;
pub use event::*;
pub use resource::*;
pub use signing::*;
