//! What is known of a request before its content is looked at.

use std::net::IpAddr;
use std::time::Duration;

use rungate_core::id::{ExchangeId, RequestId};
use rungate_core::time::Timestamp;

/// The arrival of one request, as the edge saw it.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The exchange; `alephant-id` on the answer.
    pub id: ExchangeId,
    /// The client's `x-request-id`, when it sent a well-formed one. The edge echoes it.
    pub request_id: Option<RequestId>,
    /// It sent one that is not well-formed, or two that differ. The edge warns in `rungate-warning`.
    pub request_id_malformed: bool,
    /// The client's address, behind trusted proxies too.
    pub client_ip: IpAddr,
    /// The client's country, as a trusted proxy said: two letters.
    pub country: Option<String>,
    /// When it came.
    pub at: Timestamp,
    /// The same on the clock that never steps back; see [`rungate_core::ports::Clock::monotonic`].
    pub started: Duration,
}
