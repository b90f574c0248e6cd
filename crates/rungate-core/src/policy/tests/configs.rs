//! What configurations are refused, with where and why.

use serde_json::{Value, json};

use super::policy;
use crate::policy::{check, rule_types};

fn refused(rule_type: &str, config: &Value) -> (String, String) {
    let error = check(rule_type, config, &|model| model == "gpt-5-mini").unwrap_err();
    (error.path, error.reason)
}

#[test]
fn w_105_each_policy_type_refuses_a_bad_config_with_position() {
    let cases = [
        ("model_access", json!({"allowModel": []}), "config.allowModel", "expected one of `allowModels`"),
        ("model_access", json!({"allowModels": ["a", "b[c"]}), "config.allowModels[1]", "unclosed"),
        ("model_access", json!({"denyModels": ["gpt-*", "gpt-9"]}), "config.denyModels[1]", "gpt-9"),
        ("model_access", json!({"allowProviders": [""]}), "config.allowProviders[0]", "1 to 256"),
        ("rate_limit", json!({}), "config", "at least one of requestsPerMinute"),
        ("rate_limit", json!({"requestsPerMinute": 0}), "config.requestsPerMinute", "must be 1 to"),
        ("rate_limit", json!({"tokensPerMinute": 1e30}), "config.tokensPerMinute", "expected u64"),
        ("rate_limit", json!({"maxConcurrent": 5, "per": "user"}), "config.per", "unknown variant `user`"),
        ("request_limits", json!({"maxInputTokens": -5}), "config.maxInputTokens", "`-5`"),
        ("request_limits", json!({"maxCostUsd": -0.5}), "config.maxCostUsd", "above zero"),
        ("request_limits", json!({"maxCostUsd": "1.0000000001"}), "config.maxCostUsd", "nine decimals"),
        ("request_limits", json!({"maxCostUsd": 1e300}), "config.maxCostUsd", "out of range"),
        ("request_limits", json!({"allowRoutes": ["chat"]}), "config.allowRoutes[0]", "chat_completions"),
        ("request_limits", json!({"onExceed": "warn"}), "config.onExceed", "unknown variant"),
        ("run_limits", json!({"maxRequests": 0}), "config.maxRequests", "must be 1 to"),
        ("run_limits", json!({"loop": {"sameInput": 3}}), "config.loop", "missing field `withinSeconds`"),
        (
            "run_limits",
            json!({"loop": {"sameInput": 0, "withinSeconds": 1}}),
            "config.loop.sameInput",
            "1 to 100",
        ),
        ("ip_allowlist", json!({}), "config", "missing field `cidrs`"),
        ("ip_allowlist", json!({"cidrs": []}), "config.cidrs", "at least one"),
        ("ip_allowlist", json!({"cidrs": ["10.0.0.0/8", "10.0.0.0/33"]}), "config.cidrs[1]", "not a network"),
        ("ip_allowlist", json!({"cidrs": ["10.0.0.1/8"]}), "config.cidrs[0]", "below its prefix"),
        ("ip_allowlist", json!({"cidrs": ["::ffff:10.0.0.0/104"]}), "config.cidrs[0]", "write it as IPv4"),
        (
            "content_filter",
            json!({"detectors": ["emails"], "action": "flag"}),
            "config.detectors[0]",
            "email",
        ),
        ("content_filter", json!({"detectors": []}), "config", "missing field `action`"),
        (
            "content_filter",
            json!({"detectors": ["email", "email"], "action": "flag"}),
            "config.detectors[1]",
            "twice",
        ),
        (
            "content_filter",
            json!({"detectors": [{"name": "x", "regex": "(?:a{1000}){1000}"}], "action": "flag"}),
            "config.detectors[0].regex",
            "compiles to too much",
        ),
        (
            "content_filter",
            json!({"detectors": ["email"], "on": "both", "action": "redact"}),
            "config.on",
            "cannot be redacted",
        ),
        (
            "routing",
            json!({"fallbacks": [{"model": "gpt-5-mini"}, {"model": "gpt-5-mini"}]}),
            "config.fallbacks[1]",
            "a cycle",
        ),
        ("routing", json!({"fallbacks": [{"model": "gpt-9"}]}), "config.fallbacks[0].model", "gpt-9"),
        ("routing", json!({"retries": {"attempts": 6}}), "config.retries.attempts", "0 to 5"),
        ("routing", json!({"timeoutMs": 1}), "config.timeoutMs", "must be 100"),
        (
            "routing",
            json!({"downgrade": {"belowRemainingPct": 101, "toModel": "gpt-5-mini"}}),
            "config.downgrade.belowRemainingPct",
            "1 to 100",
        ),
        ("caching", json!({"ttlSeconds": 0}), "config.ttlSeconds", "must be 1 to"),
        ("caching", json!({"scope": "world"}), "config.scope", "unknown variant"),
        ("logging", json!({"bodies": "some"}), "config.bodies", "unknown variant"),
        (
            "logging",
            json!({"retentionDays": 5, "bodyRetentionDays": 6}),
            "config.bodyRetentionDays",
            "1 to 5",
        ),
        ("magic", json!({}), "type", "use one of model_access"),
        ("caching", json!([]), "config", "an object"),
    ];
    for (rule_type, config, path, reason) in cases {
        let (at, said) = refused(rule_type, &config);
        assert_eq!(at, path, "{rule_type} {config}: {said}");
        assert!(said.contains(reason), "{rule_type} {config}: {said}");
    }
}

#[test]
fn w_105_overlapping_and_impossible_windows_are_refused() {
    let window = |days: &[&str], from: &str, to: &str| json!({"days": days, "from": from, "to": to});
    let work = window(&["mon", "fri"], "09:00", "17:00");
    let cases = [
        (json!([]), "config.windows", "at least one"),
        (json!([work, window(&["fri"], "16:59", "18:00")]), "config.windows[1]", "overlaps windows[0]"),
        (
            json!([window(&["sun"], "23:00", "01:00"), window(&["mon"], "00:30", "02:00")]),
            "config.windows[1]",
            "over",
        ),
        (json!([window(&["mon", "mon"], "09:00", "10:00")]), "config.windows[0]", "overlaps itself"),
        (json!([window(&["mon"], "9:00", "10:00")]), "config.windows[0].from", "00:00 to 23:59"),
        (json!([window(&["mon"], "09:00", "24:01")]), "config.windows[0].to", "00:00 to 24:00"),
        (json!([window(&["mon"], "09:00", "09:00")]), "config.windows[0].to", "must differ"),
        (json!([window(&[], "09:00", "10:00")]), "config.windows[0].days", "1 to 7"),
        (json!([window(&["day"], "09:00", "10:00")]), "config.windows[0].days[0]", "unknown variant"),
    ];
    for (windows, path, reason) in cases {
        let (at, said) = refused("schedule", &json!({"timezone": "Europe/Berlin", "windows": windows}));
        assert_eq!(at, path, "{said}");
        assert!(said.contains(reason), "{said}");
    }
    let (at, _) = refused("schedule", &json!({"timezone": "Europe/Atlantis", "windows": [work]}));
    assert_eq!(at, "config.timezone");
}

#[test]
fn unknown_fields_are_refused_by_every_type_with_what_is_allowed() {
    for rule_type in rule_types() {
        let (path, reason) = refused(rule_type.name, &json!({"nonsense": 1}));
        assert_eq!(path, "config.nonsense", "{}", rule_type.name);
        assert!(reason.contains("expected"), "{reason}");
    }
}

#[test]
fn the_fields_beside_the_config_are_checked_too() {
    let knows = |_: &str| true;
    let good = policy(1, "caching", json!({}));
    assert_eq!(good.check(&knows), Ok(()));
    let path = |policy: crate::policy::Policy| policy.check(&knows).unwrap_err().path;
    assert_eq!(path(crate::policy::Policy { name: " ".to_owned(), ..good.clone() }), "name");
    assert_eq!(path(crate::policy::Policy { priority: 1_001, ..good.clone() }), "priority");
    let target = crate::policy::Target::Agent(super::AGENT);
    assert_eq!(path(crate::policy::Policy { is_default: true, target, ..good }), "isDefault");
}
