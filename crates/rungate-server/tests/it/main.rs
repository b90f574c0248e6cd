//! The server through real sockets, and the binary as a process.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints what it measured"
)]

mod boot;
mod client;
mod commands;
mod edge;
mod fake;
mod governing;
mod journey;
mod postgres;
mod prices;
mod process;
mod webhooks;
