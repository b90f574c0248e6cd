//! Budgets and what is spent of them.

use rungate_core::money::NanoUsd;
use rungate_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::look::Paint;
use super::table::{Cell, Column, Table};
use super::text;

const BUDGETS: &[Column] = &[
    Column::new("ID"),
    Column::new("OF").min(16),
    Column::new("WINDOW"),
    Column::new("LIMIT").right(),
    Column::new("SPENT").right(),
    Column::new("RESERVED").right().expendable(1),
    Column::new("ACTION"),
    Column::new("STATE"),
    Column::new("RESETS (UTC)").expendable(2),
];

/// A budget as the API gives it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Budget {
    pub id: String,
    pub scope: Value,
    pub window: String,
    pub limit_nano_usd: Option<NanoUsd>,
    pub spent_nano_usd: Option<NanoUsd>,
    pub reserved_nano_usd: Option<NanoUsd>,
    pub action: String,
    pub enabled: bool,
    pub status: Option<String>,
    pub resets_at: Option<Timestamp>,
}

/// The budgets of a workspace. What each session or run has by itself has no sum.
pub fn budgets(rows: &[Budget]) -> Table {
    let mut table = Table::new(BUDGETS);
    let usd = |amount: Option<NanoUsd>| amount.map(text::usd).unwrap_or_default();
    for row in rows {
        let state = match (row.enabled, row.status.as_deref()) {
            (false, _) => Cell::painted("disabled", Paint::Faint),
            (_, Some("exhausted")) => Cell::painted("exhausted", Paint::Bad),
            (_, Some("warning")) => Cell::painted("warning", Paint::Odd),
            _ => Cell::painted("ok", Paint::Good),
        };
        table.push(vec![
            (&row.id).into(),
            scope(&row.scope).into(),
            (&row.window).into(),
            usd(row.limit_nano_usd).into(),
            usd(row.spent_nano_usd).into(),
            usd(row.reserved_nano_usd).into(),
            (&row.action).into(),
            state,
            row.resets_at.map(|at| text::time(Some(at))).unwrap_or_default().into(),
        ]);
    }
    table
}

fn scope(scope: &Value) -> String {
    let kind = scope["type"].as_str().unwrap_or_default();
    match scope["id"].as_str() {
        _ if kind == "workspace" => kind.to_owned(),
        Some(id) => format!("{kind} {id}"),
        None => format!("each {kind}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::look::Look;
    use super::*;

    #[test]
    fn a_budget_shows_what_is_spent_and_of_whom() {
        let rows: Vec<Budget> = serde_json::from_value(json!([
            {"id": "b1", "scope": {"type": "agent", "id": "a1"}, "window": "monthly", "limitNanoUsd": "12500000000",
             "spentNanoUsd": "2500000", "action": "block_requests", "enabled": true, "status": "warning"},
            {"id": "b2", "scope": {"type": "run", "id": null}, "window": "total", "limitNanoUsd": "1", "enabled": false},
        ]))
        .unwrap();
        let shown = budgets(&rows).render(Look::PLAIN);
        assert!(
            shown.contains("agent a1") && shown.contains("$12.500000") && shown.contains("$0.002500"),
            "{shown}"
        );
        assert!(
            shown.contains("each run") && shown.contains("disabled") && shown.contains("warning"),
            "{shown}"
        );
    }
}
