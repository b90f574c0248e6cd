//! What webhooks are told of budgets.

use serde_json::json;

use crate::budget::{Budget, Notice};
use crate::time::Timestamp;
use crate::webhook::event::{Event, EventType};

/// The event of a threshold that was passed: `budget.exhausted` from 100 percent on, `budget.threshold` below. Account,
/// window and percentage name it, so that a notice that comes twice is one event.
pub fn budget_event(budget: &Budget, notice: &Notice, at: Timestamp) -> Event {
    let event_type =
        if notice.percent >= 100 { EventType::BudgetExhausted } else { EventType::BudgetThreshold };
    let instance = notice.account.instance.as_deref();
    let window = notice.window;
    // That of a total budget has neither.
    let starts_at = window.end.map(|_| window.start);
    Event {
        workspace: budget.head.workspace_id,
        event_type,
        source: format!(
            "{}/{}/{}/{}",
            budget.id(),
            window.start.micros(),
            notice.percent,
            instance.unwrap_or_default()
        ),
        at,
        data: json!({
            "budgetId": budget.id(),
            "scope": { "type": budget.scope.kind(), "id": instance.map(str::to_owned).or_else(|| budget.scope.id()) },
            "window": budget.window.as_str(),
            "windowStartsAt": starts_at,
            "resetsAt": window.end,
            "percent": notice.percent,
            "limitNanoUsd": notice.limit,
            "limitUsd": notice.limit.to_usd_number(),
            "spentNanoUsd": notice.spent,
            "spentUsd": notice.spent.to_usd_number(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::budget::{AccountKey, Span};
    use crate::money::NanoUsd;

    fn budget(scope: &Value) -> Budget {
        let document = json!({"id": "018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001",
            "workspaceId": "018f7f83-2a7a-7f1a-9b2f-2f2b21e8a002", "version": 1, "createdAt": "2026-11-23T16:05:12.345Z",
            "updatedAt": "2026-11-23T16:05:12.345Z", "scope": scope, "limitNanoUsd": "5000000000",
            "window": "monthly"});
        serde_json::from_value(document).unwrap()
    }

    fn notice(budget: &Budget, percent: u16, instance: Option<&str>) -> Notice {
        let at = |text| Timestamp::parse(text).unwrap();
        Notice {
            account: AccountKey { budget: budget.id(), instance: instance.map(Into::into) },
            window: Span { start: at("2026-11-01T00:00:00Z"), end: Some(at("2026-12-01T00:00:00Z")) },
            percent,
            limit: NanoUsd::from_nanos(5_000_000_000),
            spent: NanoUsd::from_nanos(3_750_000_001),
        }
    }

    #[test]
    fn a_notice_becomes_an_event_with_all_that_its_reader_needs() {
        let budget = budget(&json!({"type": "run", "id": null}));
        let at = Timestamp::parse("2026-11-23T16:05:12.345Z").unwrap();
        let event = budget_event(&budget, &notice(&budget, 75, Some("run-1")), at);
        assert_eq!(
            (event.event_type, event.workspace),
            (EventType::BudgetThreshold, budget.head.workspace_id)
        );
        assert_eq!(
            event.data,
            json!({"budgetId": budget.id(), "scope": {"type": "run", "id": "run-1"}, "window": "monthly",
                "windowStartsAt": "2026-11-01T00:00:00.000Z", "resetsAt": "2026-12-01T00:00:00.000Z", "percent": 75,
                "limitNanoUsd": "5000000000", "limitUsd": 5, "spentNanoUsd": "3750000001", "spentUsd": 3.750_000_001})
        );
    }

    #[test]
    fn account_window_and_percentage_name_it() {
        let budget = budget(&json!({"type": "run", "id": null}));
        let id = |percent, instance, seconds: i64| {
            let at = Timestamp::from_millis(seconds * 1_000);
            budget_event(&budget, &notice(&budget, percent, instance), at).id()
        };
        assert_eq!(id(75, Some("a"), 1), id(75, Some("a"), 2));
        assert_ne!(id(75, Some("a"), 1), id(90, Some("a"), 1));
        assert_ne!(id(75, Some("a"), 1), id(75, Some("b"), 1));
        let full = budget_event(&budget, &notice(&budget, 100, None), Timestamp::from_millis(0));
        assert_eq!(full.event_type, EventType::BudgetExhausted);
    }

    #[test]
    fn a_total_budget_has_no_days() {
        let budget = budget(&json!({"type": "run", "id": null}));
        let notice = Notice { window: Span::ALWAYS, ..notice(&budget, 50, None) };
        let data = budget_event(&budget, &notice, Timestamp::from_millis(0)).data;
        assert_eq!((&data["windowStartsAt"], &data["resetsAt"]), (&Value::Null, &Value::Null));
    }
}
