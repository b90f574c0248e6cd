//! How policies combine, for any policies.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{AGENT, KEY, applicable, facts, policy};
use crate::exchange::Mode;
use crate::policy::{Change, Facts, Policy, PolicySet, Target, Verdict, replay};

fn config() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        (1_u64..900, any::<bool>()).prop_map(|(tokens, clamp)| {
            let on_exceed = if clamp { "clamp" } else { "refuse" };
            ("request_limits", json!({"maxOutputTokens": tokens, "onExceed": on_exceed}))
        }),
        (1_u64..2_000_000).prop_map(|nanos| {
            let cost = format!("0.{nanos:09}");
            ("request_limits", json!({"maxCostUsd": cost, "onExceed": "clamp"}))
        }),
        prop_oneof![Just("gpt-*"), Just("claude-*"), Just("openai/*")]
            .prop_map(|glob| ("model_access", json!({"allowModels": [glob]}))),
        any::<bool>().prop_map(|required| ("run_limits", json!({"requireSessionId": required}))),
        (1_u64..2_000).prop_map(|bytes| ("request_limits", json!({"maxBodyBytes": bytes}))),
        (9_u8..12).prop_map(|first| ("ip_allowlist", json!({"cidrs": [format!("{first}.0.0.0/8")]}))),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let target =
        prop_oneof![Just(Target::Workspace), Just(Target::Agent(AGENT)), Just(Target::VirtualKey(KEY))];
    (config(), target, 0_u16..=1_000, any::<bool>()).prop_map(
        |((rule_type, config), target, priority, logs)| {
            let mode = if logs { Mode::LogOnly } else { Mode::Enforce };
            Policy { mode, priority, target, ..policy(0, rule_type, config) }
        },
    )
}

fn numbered(mut policies: Vec<Policy>) -> Vec<Policy> {
    for (id, policy) in (1_u128..).zip(&mut policies) {
        policy.head.id = uuid::Uuid::from_u128(id);
    }
    policies
}

/// Everything that a verdict does.
fn outcome(verdict: &Verdict<'_>) -> impl PartialEq + std::fmt::Debug + use<> {
    let denial = verdict.denial.as_ref().map(|denial| (denial.code, denial.policy.id));
    (denial, verdict.max_output_tokens, verdict.max_cost)
}

fn no_looser<T: Ord>(before: Option<T>, after: Option<T>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => after <= before,
        (before, _) => before.is_none(),
    }
}

proptest! {
    #[test]
    fn one_more_policy_can_only_tighten(policies in proptest::collection::vec(any_policy(), 0..6), more in any_policy(),
        output in proptest::option::of(1_u64..1_000)) {
        let facts = Facts { output_tokens: output, ..facts() };
        let set = PolicySet::compile(&policies).unwrap();
        let mut with = policies.clone();
        with.push(more);
        let with = PolicySet::compile(&with).unwrap();
        let (before, after) = (applicable(&set).judge(&facts), applicable(&with).judge(&facts));
        prop_assert!(before.denial.is_none() || after.denial.is_some());
        prop_assert!(no_looser(before.max_output_tokens, after.max_output_tokens));
        prop_assert!(no_looser(before.max_cost, after.max_cost));
    }

    #[test]
    fn w_105_log_only_never_changes_an_answer(policies in proptest::collection::vec(any_policy(), 0..6)) {
        let policies = numbered(policies);
        let all = PolicySet::compile(&policies).unwrap();
        let enforced = PolicySet::compile(policies.iter().filter(|policy| policy.mode == Mode::Enforce)).unwrap();
        let (with, without) = (applicable(&all).judge(&facts()), applicable(&enforced).judge(&facts()));
        prop_assert_eq!(outcome(&with), outcome(&without));
        prop_assert_eq!(with.findings.len(), policies.len());
        prop_assert_eq!(replay(applicable(&all), applicable(&enforced), &facts()), Change::Same);
    }

    #[test]
    fn the_order_of_policies_does_not_matter(policies in proptest::collection::vec(any_policy(), 0..6)) {
        let mut policies = numbered(policies);
        let set = PolicySet::compile(&policies).unwrap();
        policies.reverse();
        let reversed = PolicySet::compile(&policies).unwrap();
        let (one, other) = (applicable(&set).judge(&facts()), applicable(&reversed).judge(&facts()));
        prop_assert_eq!(outcome(&one), outcome(&other));
        prop_assert!(one.decisions().eq(other.decisions()));
    }

    #[test]
    fn a_filter_that_only_logs_changes_no_body(action in prop_oneof![Just("refuse"), Just("redact"), Just("flag")]) {
        let config = json!({"detectors": ["email"], "action": action});
        let logs = Policy { mode: Mode::LogOnly, ..policy(1, "content_filter", config) };
        let set = PolicySet::compile(&[logs]).unwrap();
        let filtered = applicable(&set).filter_request(r#"["zoe@example.com"]"#, true);
        prop_assert!(filtered.denial.is_none() && filtered.body.is_none());
        prop_assert_eq!(filtered.findings.len(), 1);
    }
}
