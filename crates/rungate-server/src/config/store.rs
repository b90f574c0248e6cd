//! `[store]`

use std::path::PathBuf;

use rungate_store::DatabaseUrl;

use crate::config::section::section;
use crate::config::setting::Whole;

section! {
    /// Where everything is kept.
    Store {
        /// The data folder, made at the first start. One server at a time.
        data: PathBuf = PathBuf::from("./rungate-data");
        /// The PostgreSQL database (15 or newer) to keep everything in but the journal and the sealing key, which stay in
        /// the data folder; see docs/postgres.md. It holds a password, so better give it in the environment.
        url: Option<DatabaseUrl> = None;
        /// How long the start waits for that database, in seconds.
        wait_seconds: Whole<0, 3600> = Whole::new(60);
    }
}
