//! `[store]`

use std::path::PathBuf;

use crate::config::section::section;

section! {
    /// Where everything is kept.
    Store {
        /// The data folder, made at the first start. One server at a time.
        data: PathBuf = PathBuf::from("./rungate-data");
    }
}
