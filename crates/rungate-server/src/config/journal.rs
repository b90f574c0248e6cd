//! `[journal]`

use rungate_gateway::journal::Durability;

use crate::config::section::section;
use crate::config::setting::{Size, choice};

choice!(Durability {
    "process" => Durability::Process,
    "disk" => Durability::Disk,
});

section! {
    /// The journal that makes every exchange durable before its answer ends.
    Journal {
        /// `process` survives a killed process without waiting for the disk; `disk` also survives a power cut, and
        /// waits for the disk twice per exchange.
        durability: Durability = Durability::Process;
        /// What the journal may hold while the log cannot take it over; above, new exchanges are refused with 503.
        max_bytes: Size<{ 1 << 20 }> = Size::new(4 << 30);
        /// Size of one journal file.
        segment_bytes: Size<{ 64 << 10 }> = Size::new(64 << 20);
    }
}
