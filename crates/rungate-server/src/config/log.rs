//! `[log]`

use crate::config::section::section;
use crate::config::setting::{LevelFilter, choice};

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

choice!(LogFormat {
    "auto" => LogFormat::Auto,
    "text" => LogFormat::Text,
    "json" => LogFormat::Json,
});

section! {
    /// What the server writes to standard error.
    Log {
        /// `auto` is text on a terminal and JSON elsewhere.
        format: LogFormat = LogFormat::Auto;
        /// A level, or levels per target such as `info,rungate_gateway=debug`.
        level: LevelFilter = LevelFilter::new("info");
    }
}
