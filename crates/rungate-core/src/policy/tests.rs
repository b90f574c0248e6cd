//! Every type of rule, and how policies of several targets combine.

mod configs;
mod decide;
mod merge;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::agent::Head;
use crate::exchange::Mode;
use crate::id::{AgentId, VirtualKeyId, WorkspaceId};
use crate::operation::Operation;
use crate::policy::{Applicable, Facts, Policy, PolicySet, Target};
use crate::time::Timestamp;

const AGENT: AgentId = AgentId::new(Uuid::from_u128(1));
const KEY: VirtualKeyId = VirtualKeyId::new(Uuid::from_u128(2));

fn policy(id: u128, rule_type: &str, config: Value) -> Policy {
    let head = Head::new(Uuid::from_u128(id), WorkspaceId::new(Uuid::nil()), Timestamp::default());
    Policy {
        head,
        name: format!("policy {id}"),
        rule_type: rule_type.to_owned(),
        config,
        mode: Mode::Enforce,
        enabled: true,
        priority: 100,
        target: Target::Workspace,
        is_default: false,
        active_version: Some(1),
    }
}

fn applicable(set: &PolicySet) -> Applicable<'_> {
    set.for_request(Some(AGENT), Some(KEY))
}

fn facts() -> Facts<'static> {
    Facts {
        now: Timestamp::parse("2026-11-25T12:00:00Z").unwrap(),
        client_ip: Some("10.1.2.3".parse().unwrap()),
        operation: Operation::ChatCompletions,
        provider: Some("openai"),
        model: Some("gpt-5-mini"),
        body_bytes: 1_000,
        input_tokens: 300,
        output_tokens: Some(500),
        cost: Some(crate::money::NanoUsd::from_nanos(1_000_000)),
        tools: &["search", "read_file"],
        has_agent_id: true,
        has_session_id: false,
        run: None,
    }
}

#[test]
fn a_policy_reads_back_as_written_and_reserved_targets_say_so() {
    let stored = policy(7, "caching", json!({"ttlSeconds": 60}));
    let text = serde_json::to_string(&stored).unwrap();
    assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), stored);
    assert_eq!(Target::parse("agent", Some(&AGENT.to_string())), Ok(Target::Agent(AGENT)));
    assert_eq!(Target::parse("workspace", None), Ok(Target::Workspace));
    for kind in ["department", "endpoint"] {
        assert!(Target::parse(kind, None).unwrap_err().to_string().contains("not supported as a target yet"));
    }
    assert!(Target::parse("agent", Some("x")).is_err());
    assert!(Target::parse("team", None).is_err());
}
