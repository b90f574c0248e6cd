//! Sums of spending.

use rungate_core::money::NanoUsd;
use rungate_core::time::Timestamp;
use serde::Deserialize;

use super::look::Paint;
use super::table::{Cell, Column, Table};
use super::text;

const TIME: Column = Column::new("FROM (UTC)");
const WHO: Column = Column::new("BY").min(12);
const REQUESTS: Column = Column::new("REQUESTS").right();
const ERRORS: Column = Column::new("ERRORS").right().expendable(2);
const TOKENS: Column = Column::new("TOKENS").right().expendable(4);
const COST: Column = Column::new("COST").decimal();
const UNKNOWN: Column = Column::new("UNKNOWN COST").right().expendable(1);
const HALF: Column = Column::new("P50").right().expendable(5);
const MOST: Column = Column::new("P95").right().expendable(3);

const ALL: &[Column] = &[WHO, REQUESTS, ERRORS, TOKENS, COST, UNKNOWN, HALF, MOST];
const BY_TIME: &[Column] = &[TIME, WHO, REQUESTS, ERRORS, TOKENS, COST, UNKNOWN, HALF, MOST];

/// Sums as the API gives them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sums {
    at: Option<Timestamp>,
    entity: Option<String>,
    is_other: bool,
    requests: u64,
    errors: u64,
    input_tokens: u64,
    output_tokens: u64,
    cost_nano_usd: NanoUsd,
    unknown_cost_requests: u64,
    latency: Latency,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Latency {
    p50_ms: Option<u64>,
    p95_ms: Option<u64>,
}

/// The sums, with the time they are of if they differ in it.
pub fn table(sums: &[Sums], by_time: bool) -> Table {
    let mut table = Table::new(if by_time { BY_TIME } else { ALL });
    for row in sums {
        let who = match &row.entity {
            Some(entity) => entity.as_str(),
            None if row.is_other => "(others)",
            None => "(none)",
        };
        let alarming = |count: u64, paint| {
            Cell::painted(&count.to_string(), if count > 0 { paint } else { Paint::Plain })
        };
        let time = by_time.then(|| Cell::painted(&text::time(row.at), Paint::Faint));
        let cells = [
            who.into(),
            row.requests.to_string().into(),
            alarming(row.errors, Paint::Bad),
            text::tokens(Some(row.input_tokens), Some(row.output_tokens)).into(),
            text::usd(row.cost_nano_usd).into(),
            alarming(row.unknown_cost_requests, Paint::Odd),
            row.latency.p50_ms.map(text::duration).unwrap_or_default().into(),
            row.latency.p95_ms.map(text::duration).unwrap_or_default().into(),
        ];
        table.push(time.into_iter().chain(cells).collect());
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::look::Look;
    use super::*;

    #[test]
    fn an_unknown_cost_stands_beside_the_sum() {
        let rows = [
            json!({"at": "2026-11-23T16:00:00.000Z", "entity": "agt_a", "requests": 3, "errors": 1, "inputTokens": 120, "outputTokens": 30,
                "costNanoUsd": "36000", "unknownCostRequests": 1, "latency": {"p50Ms": 812, "p95Ms": 2_048}}),
            json!({"entity": null, "isOther": true, "requests": 1, "costNanoUsd": "0", "latency": {}}),
        ];
        let sums: Vec<Sums> = rows.into_iter().map(|row| serde_json::from_value(row).unwrap()).collect();
        let shown = table(&sums, false).render(Look::PLAIN);
        let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0][..3], ["BY", "REQUESTS", "ERRORS"]);
        assert_eq!(lines[1].join(" "), "agt_a 3 1 120 → 30 $0.000036 1 812 ms 2.04 s");
        assert_eq!(lines[2].join(" "), "(others) 1 0 0 → 0 $0 0");
        let by_time = table(&sums, true).render(Look::PLAIN);
        assert!(by_time.starts_with("FROM (UTC)"), "{by_time}");
    }
}
