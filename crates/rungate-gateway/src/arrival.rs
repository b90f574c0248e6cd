//! What the edge of the server knows of a request before anything of it is read.

use std::net::IpAddr;
use std::time::Duration;

use rungate_core::id::{ExchangeId, RequestId};
use rungate_core::time::Timestamp;

/// A request has arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Our id of the exchange, sent as `alephant-id`.
    pub id: ExchangeId,
    /// The client's `x-request-id`, when it is well-formed.
    pub request_id: Option<RequestId>,
    /// Whether the client sent an `x-request-id` that is not echoed.
    pub request_id_malformed: bool,
    /// The client's address.
    pub client_ip: IpAddr,
    /// The client's country, as a trusted proxy said.
    pub country: Option<String>,
    /// When it arrived, by the wall clock.
    pub at: Timestamp,
    /// When it arrived, by the monotonic clock.
    pub started: Duration,
}
