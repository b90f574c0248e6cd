//! The stages of one exchange, in order. Each consumes what the stage before it returned.

pub mod admit;
pub mod attempts;
pub mod cache;
pub mod dispatch;
pub mod govern;
pub mod identify;
pub mod parse;
pub mod read;
pub mod relay;
pub mod reserve;
pub mod ways;
