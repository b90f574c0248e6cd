//! `[retention]`

use crate::config::section::section;
use crate::config::setting::Whole;

section! {
    /// How long exchanges are kept. All workspaces share the day partitions, so a workspace that keeps longer makes
    /// all be kept longer; see each workspace's own settings.
    Retention {
        /// Days that rows are kept.
        row_days: Whole<1, 36_500> = Whole::new(90);
        /// Days that request and response bodies are kept; at most `row_days`.
        body_days: Whole<1, 36_500> = Whole::new(30);
    }
}
