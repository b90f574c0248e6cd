//! The pipeline that every request goes through. Knows ports only: no database, no HTTP framework.
//!
//! Reading order: `pipeline`, then the stages it names in `stage`.

pub mod arrival;
pub mod body;
pub mod budget;
pub mod cache;
pub mod capture;
pub mod credential;
pub mod directory;
pub mod egress;
pub mod exchange;
pub mod health;
pub mod journal;
pub mod limit;
pub mod memory;
pub mod models;
pub mod observe;
pub mod pipeline;
pub mod prices;
pub mod recount;
mod redact;
pub mod refusal;
pub mod registrar;
pub mod route;
pub mod routing;
pub mod runs;
pub mod stage;
mod stored;
pub mod trail;
pub mod upstream;
pub mod webhook;
