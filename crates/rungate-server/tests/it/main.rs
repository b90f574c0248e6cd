//! The server through real sockets.

mod client;
mod edge;
mod fake;
mod journey;
