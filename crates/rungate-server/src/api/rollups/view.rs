//! How sums are shown.

use rungate_core::exchange::{Group, LatencyHistogram, RollupQuery, RollupRow};
use rungate_core::time::Timestamp;
use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;

/// Sums over requests that have ended.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Rollup)]
pub struct RollupView {
    period: PeriodView,
    items: Vec<ItemView>,
}

/// The time that was added up, in whole hours or days.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RollupPeriod)]
struct PeriodView {
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
}

/// One row of sums.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RollupItem)]
struct ItemView {
    /// The start of the hour or day; null with `granularity=all`.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// Whose sums: an id, a name or a property's value. Null without `groupBy`, and for requests that have none.
    entity: Option<String>,
    /// Whether these are the values of a property beyond the 10 000 of a day that are told apart.
    is_other: bool,
    requests: u64,
    errors: u64,
    input_tokens: u64,
    output_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    reasoning_tokens: u64,
    /// Sum of the known costs in nano-dollars.
    cost_nano_usd: String,
    /// Sum of the known costs in US dollars.
    #[schema(value_type = f64)]
    cost_usd: Number,
    /// Requests whose cost is unknown; not in the sum.
    unknown_cost_requests: u64,
    latency: LatencyView,
}

/// How long requests took, in milliseconds; null where none was measured.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the unit is part of each name on the wire")]
#[schema(as = RollupLatency)]
struct LatencyView {
    avg_ms: Option<u64>,
    /// Half of them took at most so long. Percentiles are at most 42 % too high, never too low.
    p50_ms: Option<u64>,
    p95_ms: Option<u64>,
    p99_ms: Option<u64>,
}

impl RollupView {
    /// The answer to a query.
    pub fn of(query: &RollupQuery, rows: Vec<RollupRow>) -> Self {
        let period = PeriodView { from: query.from, to: query.to };
        Self { period, items: rows.into_iter().map(ItemView::from).collect() }
    }
}

impl From<RollupRow> for ItemView {
    fn from(row: RollupRow) -> Self {
        let (sums, totals) = (row.sums, row.sums.totals);
        Self {
            at: row.at,
            is_other: row.group == Group::Other,
            entity: match row.group {
                Group::Of(entity) => Some(entity),
                Group::Whole | Group::Absent | Group::Other => None,
            },
            requests: totals.requests,
            errors: totals.errors,
            input_tokens: totals.input_tokens,
            output_tokens: totals.output_tokens,
            cached_input_tokens: sums.cached_input_tokens,
            cache_write_tokens: sums.cache_write_tokens,
            reasoning_tokens: sums.reasoning_tokens,
            cost_nano_usd: totals.cost.nanos().to_string(),
            cost_usd: totals.cost.to_usd_number(),
            unknown_cost_requests: totals.unknown_cost_requests,
            latency: LatencyView::of(totals.latency_ms, &sums.latency),
        }
    }
}

impl LatencyView {
    fn of(sum_ms: u64, histogram: &LatencyHistogram) -> Self {
        let measured = histogram.counts().iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        Self {
            avg_ms: sum_ms.checked_div(measured),
            p50_ms: histogram.quantile(500),
            p95_ms: histogram.quantile(950),
            p99_ms: histogram.quantile(990),
        }
    }
}
