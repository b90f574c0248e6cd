//! The edge: sockets, TLS, and what holds for every response whoever makes it.
//!
//! `edge` is where to start reading: it calls the others, and `listener` calls it.

pub mod anonymous;
pub mod arrival;
pub mod body;
pub mod edge;
pub mod health;
pub mod listener;
pub mod operations;
mod patience;
pub mod plane;
pub mod tls;
