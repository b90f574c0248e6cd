//! `[egress]`

use crate::config::section::section;
use crate::config::setting::EgressEntry;

section! {
    /// Where the gateway may connect to.
    Egress {
        /// Exceptions from the rule that private and reserved addresses are refused, and that `http` is: host names,
        /// addresses and networks.
        allow: Vec<EgressEntry> = Vec::new();
    }
}
