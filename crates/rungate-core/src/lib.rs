//! The nouns, rules and ports of Rungate.
//!
//! Everything here is pure: no IO, no clock, no randomness, no global state. What a rule needs to know is
//! passed in; what it needs done is described by a port in [`ports`] and carried out by another crate.
//!
//! Modules are listed in reading order and import only from modules above them.

pub mod activity;
pub mod agent;
pub mod budget;
pub mod code;
pub mod exchange;
pub mod id;
pub mod keyring;
pub mod money;
pub mod operation;
pub mod page;
pub mod policy;
pub mod ports;
pub mod secret;
pub mod time;
pub mod trail;
pub mod usage;
pub mod webhook;
