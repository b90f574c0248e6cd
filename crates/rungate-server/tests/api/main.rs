//! The control API in process: its router, the real store, no sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod resources;
mod views;
mod world;
