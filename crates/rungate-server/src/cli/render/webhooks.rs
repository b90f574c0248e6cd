//! Webhooks and their deliveries.

use rungate_core::time::Timestamp;
use serde::Deserialize;

use super::look::Paint;
use super::table::{Cell, Column, Table};
use super::text;

const WEBHOOKS: &[Column] =
    &[Column::new("ID"), Column::new("STATE"), Column::new("URL").min(24), Column::new("EVENTS").min(16)];

const DELIVERIES: &[Column] = &[
    Column::new("LEFT (UTC)"),
    Column::new("ID"),
    Column::new("TYPE"),
    Column::new("STATUS"),
    Column::new("TRIES").right(),
    Column::new("NEXT TRY (UTC)").expendable(1),
    Column::new("LAST ERROR").min(16),
];

/// A webhook as the API gives it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Webhook {
    pub id: String,
    pub url: String,
    pub events: Vec<String>,
    pub enabled: bool,
    pub disabled_reason: Option<String>,
}

/// A delivery as the API gives it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Delivery {
    pub id: String,
    pub r#type: String,
    pub status: String,
    pub created_at: Option<Timestamp>,
    pub attempts: Vec<Attempt>,
    pub next_try_at: Option<Timestamp>,
}

/// One try as the API gives it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Attempt {
    pub duration_ms: u64,
    pub status: Option<u16>,
    pub error: Option<String>,
    pub answer: Option<String>,
}

/// The webhooks of a workspace.
pub fn webhooks(rows: &[Webhook]) -> Table {
    let mut table = Table::new(WEBHOOKS);
    for row in rows {
        let state = match (row.enabled, &row.disabled_reason) {
            (true, _) => Cell::painted("enabled", Paint::Good),
            (false, None) => Cell::painted("disabled", Paint::Faint),
            (false, Some(reason)) => Cell::painted(&format!("disabled: {reason}"), Paint::Bad),
        };
        table.push(vec![(&row.id).into(), state, (&row.url).into(), row.events.join(", ").into()]);
    }
    table
}

/// What was left for a webhook.
pub fn deliveries(rows: &[Delivery]) -> Table {
    let mut table = Table::new(DELIVERIES);
    for row in rows {
        let paint = match row.status.as_str() {
            "delivered" => Paint::Good,
            "dead" => Paint::Bad,
            _ => Paint::Odd,
        };
        let error = row.attempts.last().and_then(|attempt| attempt.error.as_deref()).unwrap_or_default();
        table.push(vec![
            Cell::painted(&text::time(row.created_at), Paint::Faint),
            (&row.id).into(),
            (&row.r#type).into(),
            Cell::painted(&row.status, paint),
            row.attempts.len().to_string().into(),
            row.next_try_at.map(|at| text::time(Some(at))).unwrap_or_default().into(),
            error.into(),
        ]);
    }
    table
}

/// What came of the last try.
pub fn outcome(delivery: &Delivery) -> String {
    let Some(last) = delivery.attempts.last() else { return "Nothing was sent.\n".to_owned() };
    let took = text::duration(last.duration_ms);
    let answer = last.answer.as_deref().map(|answer| format!("It answered: {}\n", text::clean(answer)));
    let outcome = match (&last.error, last.status) {
        (None, Some(status)) => format!("The receiver took the event: status {status} after {took}.\n"),
        (error, _) => format!("Failed after {took}: {}.\n", error.as_deref().unwrap_or("unknown")),
    };
    outcome + answer.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::look::Look;
    use super::*;

    fn delivery(value: serde_json::Value) -> Delivery {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_delivery_shows_its_last_error_and_its_next_try() {
        let failed = delivery(json!({"id": "d1", "type": "budget.threshold", "status": "pending",
            "createdAt": "2026-11-23T16:05:12.345Z", "nextTryAt": "2026-11-23T16:06:12.345Z",
            "attempts": [{"error": "first"}, {"status": 500, "error": "the receiver answered with status 500"}]}));
        let shown = deliveries(&[failed]).render(Look::PLAIN);
        let row = shown.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(row.contains("d1 budget.threshold pending 2"), "{row}");
        assert!(row.ends_with("the receiver answered with status 500"), "{row}");
    }

    #[test]
    fn the_outcome_of_a_test_says_what_the_receiver_said() {
        let took = delivery(json!({"attempts": [{"durationMs": 12, "status": 204}]}));
        assert_eq!(outcome(&took), "The receiver took the event: status 204 after 12 ms.\n");
        let failed =
            delivery(json!({"attempts": [{"durationMs": 12, "status": 500, "answer": "no\u{1b}[31m",
            "error": "the receiver answered with status 500"}]}));
        let shown = outcome(&failed);
        assert!(shown.starts_with("Failed after 12 ms: the receiver answered with status 500.\n"), "{shown}");
        assert!(shown.contains("It answered: no") && !shown.contains('\u{1b}'), "{shown}");
    }

    #[test]
    fn a_webhook_that_disabled_itself_says_why() {
        let webhook = json!({"id": "w1", "url": "https://example.com", "events": ["key.revoked", "run.failed"],
            "enabled": false, "disabledReason": "the receiver answered 410 Gone"});
        let shown = webhooks(&[serde_json::from_value(webhook).unwrap()]).render(Look::PLAIN);
        assert!(shown.contains("disabled: the receiver answered 410 Gone"), "{shown}");
        assert!(shown.contains("key.revoked, run.failed"), "{shown}");
    }
}
