//! Who wants to know how deliveries go: metrics.

use std::time::Duration;

/// What came of a try, or of leaving an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tried {
    /// The receiver took it.
    Delivered,
    /// It did not, and will be asked again.
    Failed,
    /// It did not, and will not be asked again.
    Dead,
    /// Never tried: too many events of its webhook are pending.
    Dropped,
}

/// Told how deliveries go. Must return at once.
pub trait Watch: Send + Sync {
    /// Something came of a delivery.
    fn tried(&self, tried: Tried);

    /// How many deliveries are pending, and since when the oldest is.
    fn pending(&self, count: usize, oldest: Duration);
}

/// Watches nothing.
impl Watch for () {
    fn tried(&self, _: Tried) {}
    fn pending(&self, _: usize, _: Duration) {}
}
