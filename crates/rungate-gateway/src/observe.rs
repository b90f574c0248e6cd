//! Who wants to know how exchanges end: metrics, and nothing that could hold a request up.

use rungate_core::code::Code;
use rungate_core::exchange::ExchangeRecord;

/// Told about every exchange. Must return at once.
pub trait Observer: Send + Sync {
    /// An exchange has its outcome.
    fn exchange_closed(&self, record: &ExchangeRecord);

    /// A request was refused before it was known whose it is.
    fn refused_anonymously(&self, code: Code);
}

/// Watches nothing.
impl Observer for () {
    fn exchange_closed(&self, _record: &ExchangeRecord) {}
    fn refused_anonymously(&self, _code: Code) {}
}
