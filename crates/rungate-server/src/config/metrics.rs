//! `[metrics]`

use std::path::PathBuf;

use rungate_core::secret::Secret;

use crate::config::section::section;

section! {
    /// `GET /metrics`, for Prometheus.
    Metrics {
        /// Whether it is served.
        enabled: bool = true;
        /// When set, `/metrics` wants it as `Authorization: Bearer <token>`.
        token: Option<Secret> = None;
        /// File that holds the token instead.
        token_file: Option<PathBuf> = None;
    }
}
