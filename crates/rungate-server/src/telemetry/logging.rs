//! The log of the process, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};

/// Comes behind what is configured: the client of PostgreSQL logs the values of every statement at debug level, which are
/// what people said.
const WITHOUT_CONTENT: &str = "tokio_postgres=warn";

/// Starts logging, panics included. A process has one log: a second call changes nothing.
pub fn start(config: &Log) {
    let filter = EnvFilter::new(format!("{},{WITHOUT_CONTENT}", config.level.as_str()));
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = if json {
        registry.with(layer.json().flatten_event(true)).try_init()
    } else {
        registry.with(layer.with_ansi(std::io::stderr().is_terminal())).try_init()
    };
    if started.is_ok() {
        log_panics();
    }
}

/// A panic is a fault of ours: its place and text go to the log, never to a client.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("(no text)");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic: {text}");
    }));
}
