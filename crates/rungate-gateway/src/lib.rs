//! The pipeline that every request goes through. Knows ports only: no database, no HTTP framework.

pub mod body;
pub mod credential;
pub mod directory;
pub mod egress;
pub mod journal;
pub mod memory;
pub mod refusal;
pub mod route;
