//! `[upstream]`

use crate::config::section::section;
use crate::config::setting::Whole;

section! {
    /// How long providers are waited for, and how often they are tried.
    Upstream {
        /// Milliseconds until a connection must stand, TLS included.
        connect_timeout_ms: Whole<100, 300_000> = Whole::new(10_000);
        /// Milliseconds from the last byte of the request to the head of the answer.
        first_byte_timeout_ms: Whole<100, 3_600_000> = Whole::new(120_000);
        /// Milliseconds that an answer may pause.
        idle_timeout_ms: Whole<100, 3_600_000> = Whole::new(60_000);
        /// Milliseconds that an exchange may take in all.
        total_timeout_ms: Whole<1_000, 86_400_000> = Whole::new(1_800_000);
        /// Further tries after a failure that leaves nothing spent.
        retries: Whole<0, 10> = Whole::new(2);
        /// Milliseconds before the second try; doubled before each further one.
        retry_pause_ms: Whole<0, 60_000> = Whole::new(250);
        /// A provider that asks for a longer pause than this is not waited for: its answer goes to the client.
        max_retry_pause_ms: Whole<0, 300_000> = Whole::new(5_000);
    }
}
