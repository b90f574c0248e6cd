//! The server: configuration, command line, HTTP edge and control API. The only crate that knows axum.

pub mod api;
pub mod services;
