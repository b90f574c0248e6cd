//! The options that say which made-up traffic is meant.

use rungate_bench::traffic::Plan;
use rungate_core::ports::Clock as _;
use rungate_core::time::Timestamp;
use rungate_server::clock::SystemClock;

/// Which traffic. Writing and reading must be given the same.
#[derive(Debug, clap::Args)]
pub struct TrafficArgs {
    /// How many requests
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: u64,
    /// The same seed makes the same traffic
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// When it ends, as RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    until: Option<Timestamp>,
    /// Days it is spread over
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=90))]
    days: u32,
    /// With request and response bodies
    #[arg(long)]
    bodies: bool,
}

impl TrafficArgs {
    /// The plan.
    pub fn plan(&self) -> Plan {
        let Self { requests, seed, until, days, bodies } = *self;
        let until = until.unwrap_or_else(|| SystemClock::new().now()).to_millisecond();
        Plan { requests, seed, until, days, bodies }
    }
}
