//! What is limited, and what is said of it.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use rungate_core::id::{AgentId, RunId, VirtualKeyId};
use rungate_core::policy::Per;
use uuid::Uuid;

/// How long a client is asked to wait for a place among the requests in flight, of which nobody knows when they end.
pub(super) const IN_FLIGHT_RETRY: Duration = Duration::from_secs(1);

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Requests in any sixty seconds.
    RequestsPerMinute,
    /// Requests in any hour.
    RequestsPerHour,
    /// Requests in any 24 hours.
    RequestsPerDay,
    /// Tokens in any sixty seconds.
    TokensPerMinute,
    /// Requests at the same time.
    ConcurrentRequests,
}

impl Unit {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerMinute => "requests_per_minute",
            Self::RequestsPerHour => "requests_per_hour",
            Self::RequestsPerDay => "requests_per_day",
            Self::TokensPerMinute => "tokens_per_minute",
            Self::ConcurrentRequests => "concurrent_requests",
        }
    }

    /// The length of its window; `None` for what is in flight.
    pub const fn window(self) -> Option<Duration> {
        match self {
            Self::RequestsPerMinute | Self::TokensPerMinute => Some(MINUTE),
            Self::RequestsPerHour => Some(HOUR),
            Self::RequestsPerDay => Some(DAY),
            Self::ConcurrentRequests => None,
        }
    }

    /// Its window in nanoseconds; 0 for what is in flight.
    pub(super) fn window_ns(self) -> u64 {
        self.window().map_or(0, nanos)
    }
}

/// Whose requests share a count.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// All of the workspace that the rule is for.
    Workspace,
    /// Those with one virtual key.
    Key(VirtualKeyId),
    /// Those of one agent.
    Agent(AgentId),
    /// Those of one run.
    Run(RunId),
    /// Those from one client address; made by [`Subject::ip`].
    Ip(IpAddr),
}

impl Subject {
    /// A client address. Of IPv6 its first 64 bits: whoever has one address there has them all.
    pub fn ip(address: IpAddr) -> Self {
        Self::Ip(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    /// Its kind, which is the `scope` of a refusal.
    pub const fn scope(&self) -> Per {
        match self {
            Self::Workspace => Per::Workspace,
            Self::Key(_) => Per::Key,
            Self::Agent(_) => Per::Agent,
            Self::Run(_) => Per::Run,
            Self::Ip(_) => Per::Ip,
        }
    }

    /// Whether callers can make as many of them as they like.
    pub(super) const fn is_open_ended(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Ip(_))
    }
}

/// One count. It does not know the limit, so that it goes on where an operator changes that.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Counter {
    /// What limits: the id of the policy, or of the virtual key with a limit of its own.
    pub rule: Uuid,
    /// Whose requests are counted.
    pub subject: Subject,
    /// What is counted of them.
    pub unit: Unit,
}

/// A limit that applies to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The count it holds for; no two limits of a request have the same.
    pub counter: Counter,
    /// The most in any window, or at once.
    pub most: u64,
    /// Whether it refuses. One that only logs counts what it would have admitted.
    pub enforced: bool,
}

/// How much of a limit is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whose limit it is.
    pub scope: Per,
    /// What it counts.
    pub unit: Unit,
    /// The most in any window, or at once.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// When more will be left: once the oldest that is counted leaves the window. A second for what is in flight.
    pub reset: Duration,
}

impl Standing {
    /// Whether less is left of this than of the other, by share; of equals, the one that takes longer to reset.
    pub(super) fn is_tighter_than(&self, other: &Self) -> bool {
        let left = u128::from(self.remaining) * u128::from(other.limit);
        let other_left = u128::from(other.remaining) * u128::from(self.limit);
        left < other_left || (left == other_left && self.reset > other.reset)
    }

    /// [`Standing::reset`] in whole seconds, rounded up: `x-ratelimit-reset`.
    pub const fn reset_seconds(&self) -> u64 {
        whole_seconds(self.reset)
    }
}

/// Why a request is not admitted. Nothing was counted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A limit is reached: 429 `rate_limit_exceeded`.
    Reached {
        /// Which of the limits that were passed in: of those that refuse, the one with the longest wait.
        limit: usize,
        /// How it stands.
        standing: Standing,
        /// When the same request is admitted, if no other comes before; `None` when it alone asks more than the limit.
        retry_after: Option<Duration>,
    },
    /// There is no room to count another run or address, and what cannot be counted is not admitted: 503 `overloaded`.
    Crowded,
}

impl Refused {
    /// `retry-after` in whole seconds, rounded up, at least one; `None` when waiting does not help.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::Reached { retry_after, .. } => retry_after.map(|wait| whole_seconds(wait).max(1)),
            Self::Crowded => Some(1),
        }
    }
}

const fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + (duration.subsec_nanos() > 0) as u64
}

/// A duration in nanoseconds, of which 64 bits hold five centuries.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
