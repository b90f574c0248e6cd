//! Requests at the edge.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use rungate_core::code::Code;

use super::Labels;
use crate::http::edge::RouteFamily;

/// Upper ends of the buckets, in seconds: from an answer out of memory to a long generation.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];

/// The metrics of the edge.
pub struct Group {
    requests: Family<Labels<2>, Counter>,
    errors: Family<Labels<1>, Counter>,
    duration: Family<Labels<1>, Histogram, fn() -> Histogram>,
}

impl Group {
    /// Registers the group.
    pub fn new(registry: &mut Registry) -> Self {
        let group = Self {
            requests: Family::default(),
            errors: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        };
        registry.register("http_requests", "Requests answered", group.requests.clone());
        registry.register(
            "http_errors",
            "Error answers by code, anonymous refusals included",
            group.errors.clone(),
        );
        registry.register_with_unit(
            "http_response_head",
            "From the head of the request to the head of the answer",
            Unit::Seconds,
            group.duration.clone(),
        );
        group
    }

    /// Counts an answer.
    pub fn answered(&self, family: RouteFamily, status: StatusCode, code: Option<Code>, took: Duration) {
        let family = ("route", route(family));
        self.requests.get_or_create(&[family, ("status", class(status))]).inc();
        self.duration.get_or_create(&[family]).observe(took.as_secs_f64());
        if let Some(code) = code {
            self.errors.get_or_create(&[("code", code.as_str())]).inc();
        }
    }
}

const fn route(family: RouteFamily) -> &'static str {
    match family {
        RouteFamily::Data => "data",
        RouteFamily::Control => "control",
        RouteFamily::Operations => "operations",
    }
}

const fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}
