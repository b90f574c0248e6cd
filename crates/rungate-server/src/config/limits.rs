//! `[limits]`

use crate::config::section::section;
use crate::config::setting::Size;

section! {
    /// Bounds on what the server takes on at a time.
    Limits {
        /// Memory for the bodies of all exchanges in flight; when it is taken, new requests are refused with 503.
        memory_bytes: Size<{ 16 << 20 }> = Size::new(512 << 20);
    }
}
