//! Who watches exchanges end: metrics, without the gateway knowing what they are.

use rungate_core::exchange::ExchangeRecord;

/// Told of every exchange of an identified workspace, once. Must not block.
pub trait Observer: Send + Sync {
    /// An exchange has its outcome.
    fn exchange_closed(&self, record: &ExchangeRecord);
}

/// Watches nothing.
impl Observer for () {
    fn exchange_closed(&self, _record: &ExchangeRecord) {}
}
