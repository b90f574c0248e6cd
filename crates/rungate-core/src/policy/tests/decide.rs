//! What each type of rule decides.

use std::time::Duration;

use serde_json::{Value, json};

use super::{AGENT, KEY, applicable, facts, policy};
use crate::code::Code;
use crate::exchange::{Effect, Mode};
use crate::money::NanoUsd;
use crate::operation::Operation;
use crate::policy::{CacheScope, Change, Facts, Policy, PolicySet, PolicyVersion, RunFacts, Target, replay};
use crate::time::Timestamp;

/// The code of the refusal, and the two limits.
fn judged(rule_type: &str, config: Value, facts: &Facts<'_>) -> (Option<Code>, Option<u64>, Option<NanoUsd>) {
    let set = PolicySet::compile(&[policy(1, rule_type, config)]).unwrap();
    let verdict = applicable(&set).judge(facts);
    (verdict.denial.map(|denial| denial.code), verdict.max_output_tokens, verdict.max_cost)
}

fn code(rule_type: &str, config: Value, facts: &Facts<'_>) -> Option<Code> {
    judged(rule_type, config, facts).0
}

#[test]
fn w_052_model_access_holds_globs_against_both_spellings_and_a_denial_wins() {
    let model = |config| code("model_access", config, &facts());
    assert_eq!(model(json!({})), None);
    assert_eq!(model(json!({"allowModels": ["gpt-5*"]})), None);
    assert_eq!(model(json!({"allowModels": ["openai/*"]})), None);
    assert_eq!(model(json!({"allowModels": ["claude-*"]})), Some(Code::ModelNotAllowed));
    assert_eq!(model(json!({"allowModels": ["*"], "denyModels": ["*-mini"]})), Some(Code::ModelNotAllowed));
    assert_eq!(model(json!({"allowProviders": ["anthropic"]})), Some(Code::ProviderNotAllowed));
    assert_eq!(model(json!({"denyProviders": ["open*"]})), Some(Code::ProviderNotAllowed));
    let without = Facts { model: None, ..facts() };
    assert_eq!(code("model_access", json!({"allowModels": ["claude-*"]}), &without), None);
}

#[test]
fn request_limits_refuse_or_clamp() {
    let limits = |config| judged("request_limits", config, &facts());
    let denied = (Some(Code::PolicyDenied), None, None);
    for config in [
        json!({"maxBodyBytes": 999}),
        json!({"maxInputTokens": 299}),
        json!({"maxTools": 1}),
        json!({"allowTools": ["search"]}),
        json!({"allowTools": []}),
        json!({"allowRoutes": ["embeddings", "messages"]}),
        json!({"maxOutputTokens": 499}),
        json!({"maxCostUsd": "0.000999999"}),
        json!({"maxInputTokens": 299, "onExceed": "clamp"}),
    ] {
        assert_eq!(limits(config.clone()), denied, "{config}");
    }
    let all = json!({"maxBodyBytes": 1000, "maxInputTokens": 300, "maxTools": 2, "allowTools": ["search", "read_*"],
        "allowRoutes": ["chat_completions"], "maxOutputTokens": 500, "maxCostUsd": 0.001});
    assert_eq!(limits(all), (None, None, None));
    assert_eq!(limits(json!({"maxOutputTokens": 499, "onExceed": "clamp"})), (None, Some(499), None));
    let cost = Some(NanoUsd::from_nanos(500_000));
    assert_eq!(limits(json!({"maxCostUsd": 0.0005, "onExceed": "clamp"})), (None, None, cost));
    let open = Facts { output_tokens: None, cost: None, ..facts() };
    assert_eq!(judged("request_limits", json!({"maxOutputTokens": 9}), &open), (None, Some(9), None));
    assert_eq!(judged("request_limits", json!({"maxCostUsd": 9, "onExceed": "clamp"}), &open), denied);
}

#[test]
fn w_052_run_limits_require_ids_and_end_runs_and_loops() {
    let now = facts().now;
    let recent = [(now.minus(Duration::from_secs(5)), 7), (now.minus(Duration::from_secs(50)), 7), (now, 8)];
    let run = RunFacts { requests: 10, age: Duration::from_mins(1), input_hash: 7, recent: &recent };
    let in_run = Facts { run: Some(run), ..facts() };
    assert_eq!(code("run_limits", json!({"requireRunId": true}), &facts()), Some(Code::RunIdRequired));
    assert_eq!(code("run_limits", json!({"requireRunId": true}), &in_run), None);
    assert_eq!(code("run_limits", json!({"requireSessionId": true}), &in_run), Some(Code::SessionIdRequired));
    let nobody = Facts { has_agent_id: false, ..facts() };
    assert_eq!(code("run_limits", json!({"requireAgentId": true}), &nobody), Some(Code::AgentIdRequired));
    assert_eq!(code("run_limits", json!({"maxRequests": 10}), &in_run), Some(Code::RunLimitReached));
    assert_eq!(code("run_limits", json!({"maxRequests": 11}), &in_run), None);
    assert_eq!(code("run_limits", json!({"maxDurationSeconds": 60}), &in_run), Some(Code::RunLimitReached));
    assert_eq!(code("run_limits", json!({"maxDurationSeconds": 61}), &in_run), None);
    let repeats = |same, within| json!({"loop": {"sameInput": same, "withinSeconds": within}});
    assert_eq!(code("run_limits", repeats(2, 60), &in_run), Some(Code::LoopDetected));
    assert_eq!(code("run_limits", repeats(2, 30), &in_run), None);
    assert_eq!(code("run_limits", repeats(3, 60), &in_run), None);
    assert_eq!(code("run_limits", repeats(1, 1), &facts()), None);
}

#[test]
fn ip_allowlist_knows_mapped_addresses_and_refuses_unknown_ones() {
    let from = |ip: Option<&str>| {
        let facts = Facts { client_ip: ip.map(|ip| ip.parse().unwrap()), ..facts() };
        code("ip_allowlist", json!({"cidrs": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]}), &facts)
    };
    for ip in ["10.255.0.1", "::ffff:10.0.0.1", "2001:db8::1", "192.0.2.1"] {
        assert_eq!(from(Some(ip)), None, "{ip}");
    }
    for ip in [Some("11.0.0.1"), Some("192.0.2.2"), None] {
        assert_eq!(from(ip), Some(Code::IpNotAllowed), "{ip:?}");
    }
}

#[test]
fn schedule_goes_by_wall_time_and_over_midnight() {
    let at = |time: &str| {
        let facts = Facts { now: Timestamp::parse(time).unwrap(), ..facts() };
        let windows = json!([{"days": ["wed"], "from": "09:00", "to": "17:00"},
            {"days": ["sun"], "from": "22:00", "to": "06:00"}, {"days": ["sat"], "from": "00:00", "to": "24:00"}]);
        code("schedule", json!({"timezone": "Europe/Berlin", "windows": windows}), &facts).is_none()
    };
    // Berlin is one hour ahead in November, two in July.
    for open in
        ["2026-11-25T08:00:00Z", "2026-07-01T07:00:00Z", "2026-11-23T04:59:59Z", "2026-11-28T22:59:00Z"]
    {
        assert!(at(open), "{open}");
    }
    for closed in
        ["2026-11-25T07:59:59Z", "2026-11-25T16:00:00Z", "2026-11-23T05:00:00Z", "2026-11-26T12:00:00Z"]
    {
        assert!(!at(closed), "{closed}");
    }
}

#[test]
fn content_filters_refuse_flag_and_redact_requests() {
    let filter = |action: &str| json!({"detectors": ["email", {"name": "staff", "regex": "EMP-\\d{4}"}], "action": action});
    let body = r#"{"model":"m","messages":[{"role":"user","content":"EMP-1234 is zoe\u0040example.com"}]}"#;
    let set = PolicySet::compile(&[policy(1, "content_filter", filter("redact"))]).unwrap();
    let filtered = applicable(&set).filter_request(body, true);
    let clean = r#"{"model":"m","messages":[{"role":"user","content":"[redacted] is [redacted]"}]}"#;
    assert_eq!(filtered.body.as_deref(), Some(clean));
    assert_eq!(filtered.findings[0].effect, Effect::Redact);
    assert_eq!(filtered.findings[0].reason.as_deref(), Some("found email, staff"));
    assert!(applicable(&set).filter_request(clean, true).findings.is_empty());
    assert!(applicable(&set).filters(false) && !applicable(&set).filters(true));

    let set = PolicySet::compile(&[policy(1, "content_filter", filter("refuse"))]).unwrap();
    assert_eq!(applicable(&set).filter_request(body, true).denial.unwrap().code, Code::PolicyDenied);
    assert!(applicable(&set).filter_response(body, true).denial.is_none());

    let mut both = filter("flag");
    both["on"] = json!("both");
    let set = PolicySet::compile(&[policy(1, "content_filter", both)]).unwrap();
    let filtered = applicable(&set).filter_response("mail zoe@example.com", false);
    assert_eq!(
        (filtered.findings[0].effect, filtered.body, filtered.denial.is_none()),
        (Effect::Flag, None, true)
    );
}

#[test]
fn settings_come_from_the_narrowest_target_then_the_lower_priority() {
    let caching = |id, ttl: u64, priority, target| Policy {
        priority,
        target,
        ..policy(id, "caching", json!({"ttlSeconds": ttl}))
    };
    let policies = [
        caching(1, 1, 0, Target::Workspace),
        caching(2, 2, 500, Target::Agent(AGENT)),
        caching(3, 3, 400, Target::Agent(AGENT)),
        Policy { mode: Mode::LogOnly, ..caching(4, 4, 0, Target::VirtualKey(KEY)) },
    ];
    let set = PolicySet::compile(&policies).unwrap();
    let (winner, caching) = applicable(&set).caching().unwrap();
    assert_eq!(
        (caching.ttl_seconds, caching.scope, winner.name.as_ref()),
        (3, CacheScope::Agent, "policy 3")
    );
    assert_eq!(set.for_request(None, None).caching().unwrap().1.ttl_seconds, 1);
    let effective = applicable(&set).effective();
    assert_eq!(effective.merged["caching"]["ttlSeconds"], 3);
    let in_force: Vec<_> = effective.policies["caching"].iter().map(|policy| policy.in_force).collect();
    assert_eq!(in_force, [false, true, false, false]);
}

#[test]
fn effective_limits_are_the_strictest() {
    let policies = [
        policy(1, "request_limits", json!({"maxOutputTokens": 100, "maxCostUsd": "0.5"})),
        Policy {
            target: Target::VirtualKey(KEY),
            ..policy(2, "request_limits", json!({"maxOutputTokens": 900, "maxCostUsd": 0.25, "maxTools": 3}))
        },
        policy(3, "run_limits", json!({"requireRunId": true})),
        policy(4, "run_limits", json!({"requireRunId": false})),
    ];
    let set = PolicySet::compile(&policies).unwrap();
    let merged = applicable(&set).effective().merged;
    assert_eq!(
        json!(merged["request_limits"]),
        json!({"maxOutputTokens": 100, "maxCostUsd": 0.25, "maxTools": 3})
    );
    assert_eq!(json!(merged["run_limits"]), json!({"requireRunId": true}));
}

#[test]
fn a_decision_names_policy_version_and_reason() {
    let deny = Policy { active_version: Some(4), ..policy(1, "model_access", json!({"denyModels": ["*"]})) };
    let set = PolicySet::compile(&[deny]).unwrap();
    let decision = applicable(&set).judge(&facts()).decisions().next().unwrap();
    assert_eq!(
        json!(decision),
        json!({"policyId": "00000000-0000-0000-0000-000000000001", "policyName": "policy 1", "version": 4,
            "mode": "enforce", "type": "model_access", "effect": "deny",
            "reason": "the model `gpt-5-mini` is not allowed"})
    );
}

#[test]
fn drafts_and_disabled_policies_say_nothing_until_asked() {
    let config = json!({"allowRoutes": ["embeddings"]});
    let draft = Policy { active_version: None, ..policy(1, "request_limits", config.clone()) };
    let off = Policy { enabled: false, ..policy(2, "request_limits", config.clone()) };
    let current = PolicySet::compile([&draft, &off]).unwrap();
    assert!(applicable(&current).is_empty());
    let version = PolicyVersion { head: draft.head.clone(), policy_id: draft.id(), number: 2, config };
    let then = PolicySet::compile([&draft.with(&version), &off]).unwrap();
    let changed = |facts: &Facts<'_>| replay(applicable(&current), applicable(&then), facts);
    assert_eq!(changed(&facts()), Change::Refused(Code::PolicyDenied));
    assert_eq!(changed(&Facts { operation: Operation::Embeddings, ..facts() }), Change::Same);
    assert_eq!(
        replay(applicable(&then), applicable(&current), &facts()),
        Change::Allowed(Code::PolicyDenied)
    );
}

#[test]
fn a_stored_policy_that_does_not_compile_is_named() {
    let bad = PolicySet::compile(&[policy(9, "schedule", json!({}))]).unwrap_err();
    assert_eq!(bad.id.uuid().as_u128(), 9);
}
