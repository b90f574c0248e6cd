//! The server: configuration, command line, HTTP edge and control API. The only crate that knows axum.

pub mod api;
pub mod backup;
pub mod boot;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod jobs;
pub mod planes;
pub mod serve;
pub mod services;
pub mod shutdown;
pub mod telemetry;
pub mod token;
pub mod v1;
