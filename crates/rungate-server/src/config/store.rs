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
        /// The PostgreSQL database (15 or newer) that resources are kept in instead; see docs/postgres.md. The
        /// journal and the sealing key stay in the data folder. Better given in the environment, since it holds a password.
        url: Option<DatabaseUrl> = None;
        /// How long the start waits for that database, in seconds.
        wait_seconds: Whole<0, 3600> = Whole::new(60);
    }
}
