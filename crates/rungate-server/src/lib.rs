//! The server: configuration, command line, HTTP edge and control API. The only crate that knows axum.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod services;
pub mod telemetry;
pub mod token;
