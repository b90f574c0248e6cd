//! The budget as an operator writes it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::agent::{Head, Resource, ResourceKind, head};
use crate::budget::scope::Scope;
use crate::budget::terms::{BudgetAction, Limit, Thresholds};
use crate::budget::window::{Window, Zone};
use crate::id::{BudgetId, WorkspaceId};

/// How much one scope may spend in each window of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// Whose spend is limited.
    pub scope: Scope,
    /// The most that may be spent in one window.
    #[serde(rename = "limitNanoUsd")]
    pub limit: Limit,
    /// When the spend starts again from nothing.
    pub window: Window,
    /// Where its days begin.
    #[serde(default)]
    pub timezone: Zone,
    /// What happens to a request that does not fit.
    #[serde(default)]
    pub action: BudgetAction,
    /// Percentages of the limit whose crossing is reported.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Whether it is in force.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Whether it was made on its agent, its key or the workspace's budget control, and is what these show. A scope has
    /// one such budget at most.
    #[serde(default)]
    pub attached: bool,
    /// What clients of the workspace's budget control keep with it; it means nothing here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

const fn enabled() -> bool {
    true
}

impl Budget {
    /// Its id.
    pub const fn id(&self) -> BudgetId {
        BudgetId::new(self.head.id)
    }

    /// The unique name of the budget that is attached to a scope of a workspace.
    pub fn unique_attached(workspace: WorkspaceId, scope: &Scope) -> String {
        format!("{workspace}:{}:{}", scope.kind(), scope.id().unwrap_or_default())
    }
}

impl Resource for Budget {
    const KIND: ResourceKind = ResourceKind::Budget;
    head!();
    fn unique(&self) -> Vec<(&'static str, String)> {
        if !self.attached {
            return Vec::new();
        }
        vec![("attached", Self::unique_attached(self.head.workspace_id, &self.scope))]
    }
    fn facets(&self) -> Vec<(&'static str, String)> {
        let mut facets = vec![
            ("scope_type", self.scope.kind().to_owned()),
            ("window", self.window.as_str().to_owned()),
            ("enabled", self.enabled.to_string()),
        ];
        facets.extend(self.scope.id().map(|id| ("scope_id", id)));
        facets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({"id": "018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001", "workspaceId": "018f7f83-2a7a-7f1a-9b2f-2f2b21e8a002",
            "version": 1, "createdAt": "2026-11-23T16:05:12.345Z", "updatedAt": "2026-11-23T16:05:12.345Z",
            "scope": {"type": "run", "id": null}, "limitNanoUsd": "5000000000", "window": "monthly"})
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let budget: Budget = serde_json::from_value(document()).unwrap();
        assert_eq!(budget.timezone.name(), "UTC");
        assert_eq!(budget.action, BudgetAction::BlockRequests);
        assert_eq!(budget.thresholds.percents(), [50, 75, 90, 100]);
        assert!(budget.enabled);
        let again: Budget = serde_json::from_value(json!(budget)).unwrap();
        assert_eq!(again, budget);
    }

    #[test]
    fn a_bad_field_is_refused_with_its_name_and_the_reason() {
        for (field, bad, reason) in [
            ("limitNanoUsd", json!("-1"), "limitNanoUsd: must not be negative"),
            ("limitNanoUsd", json!("9000000000000000000"), "limitNanoUsd: must be at most one billion"),
            ("timezone", json!("Mars/Olympus"), "timezone: must be an IANA time zone"),
            ("action", json!("explode"), "action: must be block_requests"),
            ("thresholds", json!([0]), "thresholds: must be percentages from 1 to 1000"),
            (
                "scope",
                json!({"type": "member", "id": "x"}),
                "scope.type: department and member are not supported",
            ),
        ] {
            let mut document = document();
            document[field] = bad;
            let error = serde_json::from_value::<Budget>(document).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
