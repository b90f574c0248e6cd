//! Policies, and what they would do.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::look::Paint;
use super::table::{Cell, Column, Table};
use super::text;

const POLICIES: &[Column] = &[
    Column::new("ID"),
    Column::new("NAME").min(16),
    Column::new("TYPE"),
    Column::new("FOR").min(16),
    Column::new("STATE"),
    Column::new("VERSION").right(),
];

/// A policy as the API gives it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Policy {
    pub id: String,
    pub name: String,
    pub r#type: String,
    pub mode: String,
    pub enabled: bool,
    pub target: Value,
    pub config: Value,
    pub active_version: Option<u64>,
}

/// What policies say of a request, as the API gives it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Evaluation {
    pub allowed: bool,
    pub denial: Option<Denial>,
    pub decisions: Vec<Decision>,
    pub max_output_tokens: Option<u64>,
    pub max_cost_nano_usd: Option<String>,
    pub masked_body: Option<Value>,
}

/// Why a request is refused, as the API gives it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Denial {
    pub code: String,
    pub policy_name: String,
    pub reason: String,
}

/// What one policy says, as the API gives it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Decision {
    pub r#type: String,
    pub effect: String,
    pub reason: Option<String>,
}

/// What would have been different, as the API gives it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Replayed {
    pub requests: u64,
    pub same: u64,
    pub newly_refused: u64,
    pub newly_allowed: u64,
    pub other_reason: u64,
    pub other_limits: u64,
    pub without_body: u64,
    pub changes: Vec<Value>,
}

impl Replayed {
    /// Adds what came after.
    pub fn add(&mut self, later: Self) {
        self.requests += later.requests;
        self.same += later.same;
        self.newly_refused += later.newly_refused;
        self.newly_allowed += later.newly_allowed;
        self.other_reason += later.other_reason;
        self.other_limits += later.other_limits;
        self.without_body += later.without_body;
        self.changes.extend(later.changes);
    }
}

/// The policies of a workspace.
pub fn policies(rows: &[Policy]) -> Table {
    let mut table = Table::new(POLICIES);
    for row in rows {
        let state = match (row.enabled, row.active_version, row.mode.as_str()) {
            (false, ..) => Cell::painted("disabled", Paint::Faint),
            (_, None, _) => Cell::painted("draft", Paint::Odd),
            (_, _, "log_only") => Cell::painted("logs only", Paint::Odd),
            _ => Cell::painted("in force", Paint::Good),
        };
        let version = row.active_version.map(|version| version.to_string()).unwrap_or_default();
        table.push(vec![
            (&row.id).into(),
            (&row.name).into(),
            (&row.r#type).into(),
            target(&row.target).into(),
            state,
            version.into(),
        ]);
    }
    table
}

fn target(target: &Value) -> String {
    let (kind, id) = (target["type"].as_str().unwrap_or_default(), target["id"].as_str().unwrap_or_default());
    if kind == "workspace" { kind.to_owned() } else { format!("{kind} {id}") }
}

/// A policy with its versions, the newest first.
pub fn policy(policy: &Policy, versions: &[Value]) -> String {
    let mut out = policies(std::slice::from_ref(policy)).render(super::look::Look::PLAIN);
    for version in versions {
        let number = version["version"].as_u64().or_else(|| version["number"].as_u64()).unwrap_or_default();
        let mark = if policy.active_version == Some(number) { " (in force)" } else { "" };
        let at = version["createdAt"].as_str().unwrap_or_default();
        let config = serde_json::to_string(&version["config"]).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "version {number}{mark}, {at}: {}", text::clean(&config));
    }
    out
}

/// What policies say of a request.
pub fn evaluation(said: &Evaluation) -> String {
    let mut out = match &said.denial {
        Some(Denial { code, policy_name, reason }) => {
            format!("Refused by \"{}\": {} ({code})\n", text::clean(policy_name), text::clean(reason))
        }
        None if said.allowed => "Allowed.\n".to_owned(),
        None => "Refused.\n".to_owned(),
    };
    if let Some(tokens) = said.max_output_tokens {
        let _ = writeln!(out, "At most {tokens} output tokens.");
    }
    if let Some(nanos) = &said.max_cost_nano_usd {
        let _ = writeln!(out, "At most {nanos} nano-USD.");
    }
    for Decision { r#type: rule, effect, reason } in &said.decisions {
        let reason = reason.as_deref().map(|reason| format!(": {}", text::clean(reason))).unwrap_or_default();
        let _ = writeln!(out, "  {rule} says {effect}{reason}");
    }
    if let Some(body) = &said.masked_body {
        let _ = writeln!(out, "It goes on as: {}", text::clean(&body.to_string()));
    }
    out
}

/// What would have been different.
pub fn replayed(said: &Replayed) -> String {
    let mut out = format!(
        "{} looked at: {} the same, {} newly refused, {} newly allowed, {} refused for another reason, {} with other limits.\n",
        text::count(said.requests, "request"),
        said.same,
        said.newly_refused,
        said.newly_allowed,
        said.other_reason,
        said.other_limits
    );
    if said.without_body > 0 {
        let _ = writeln!(
            out,
            "{} of them without their body: what asks for tools, an output limit or text does not see it.",
            said.without_body
        );
    }
    for change in &said.changes {
        let word = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
        let code = change["codeThen"].as_str().or(change["codeNow"].as_str()).unwrap_or_default();
        let _ = writeln!(out, "  {} {} {} {code}", word("createdAt"), word("id"), word("change"));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::look::Look;
    use super::*;

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_policy_shows_its_state_and_its_versions() {
        let stored: Policy =
            read(json!({"id": "p1", "name": "calm", "type": "rate_limit", "mode": "log_only",
            "enabled": true, "target": {"type": "agent", "id": "a1"}, "activeVersion": 2}));
        let shown = policies(std::slice::from_ref(&stored)).render(Look::PLAIN);
        assert!(shown.contains("agent a1") && shown.contains("logs only"), "{shown}");
        let versions = [
            json!({"version": 2, "createdAt": "t2", "config": {"a": 1}}),
            json!({"version": 1, "config": {}}),
        ];
        let shown = policy(&stored, &versions);
        assert!(shown.contains("version 2 (in force), t2: {\"a\":1}"), "{shown}");
    }

    #[test]
    fn a_refusal_names_its_policy_and_reason() {
        let said = evaluation(&read(json!({"allowed": false,
            "denial": {"code": "policy_denied", "policyName": "calm\u{1b}", "reason": "too many"},
            "decisions": [{"type": "run_limits", "effect": "deny", "reason": "too many"}]})));
        assert!(said.starts_with("Refused by \"calm"), "{said}");
        assert!(said.contains("run_limits says deny: too many") && !said.contains('\u{1b}'), "{said}");
    }

    #[test]
    fn parts_of_a_replay_add_up() {
        let part: Replayed = read(json!({"requests": 2, "same": 1, "newlyRefused": 1,
            "changes": [{"id": "r1", "change": "refused", "codeThen": "policy_denied"}]}));
        let mut sum = Replayed::default();
        sum.add(part.clone());
        sum.add(part);
        assert_eq!((sum.requests, sum.newly_refused, sum.changes.len()), (4, 2, 2));
        assert!(replayed(&sum).starts_with("4 requests looked at: 2 the same, 2 newly refused"));
    }
}
