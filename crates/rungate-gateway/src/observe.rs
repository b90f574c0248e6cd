//! Who wants to know how exchanges end: metrics, and nothing that could hold a request up.

use rungate_core::exchange::ExchangeRecord;

/// Told about every exchange of an identified workspace, once. Must return at once.
pub trait Observer: Send + Sync {
    /// An exchange has its outcome.
    fn exchange_closed(&self, record: &ExchangeRecord);
}

/// Watches nothing.
impl Observer for () {
    fn exchange_closed(&self, _record: &ExchangeRecord) {}
}
