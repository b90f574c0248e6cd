//! `[limits]`

use crate::config::section::section;
use crate::config::setting::{Size, Whole};

section! {
    /// Bounds on what the server takes on at a time.
    Limits {
        /// Memory for the bodies of all exchanges in flight; when it is taken, new requests are refused with 503.
        memory_bytes: Size<{ 16 << 20 }> = Size::new(512 << 20);
        /// Memory for answers that are kept for equal requests, where a policy or a header asks for it; 0 keeps none.
        cache_bytes: Size<0> = Size::new(64 << 20);
        /// At most this much of each request and response body is stored; the rest is left out and marked as truncated.
        stored_body_bytes: Size<1024> = Size::new(8 << 20);
        /// A request that would fit its budgets but for others in flight waits so long for them.
        budget_wait_ms: Whole<0, 60_000> = Whole::new(2_000);
    }
}
