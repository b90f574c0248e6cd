//! The attribution headers. One header a line, `name: value`, as they came.

use rungate_core::activity::headers::{Headers, is_ours, read};

/// Every property of the header reader for one set of headers.
pub fn run(data: &[u8]) {
    let sent: Vec<(&str, &[u8])> = data.split(|&byte| byte == b'\n').filter_map(header).collect();
    let forwards = read(sent.iter().copied());
    let backwards = read(sent.iter().rev().copied());
    match forwards {
        Ok(headers) => {
            let mut backwards = backwards.unwrap();
            let traces = sent.iter().filter(|(name, _)| *name == "traceparent").count();
            if traces < 2 {
                let sorted = |headers: &Headers| {
                    let mut warnings = headers.warnings.clone();
                    warnings.sort_unstable();
                    warnings
                };
                assert_eq!(sorted(&headers), sorted(&backwards));
                backwards.warnings.clone_from(&headers.warnings);
                assert_eq!(headers, backwards, "the order of headers decides");
            }
            check(&headers, &sent);
        }
        Err(error) => {
            assert_eq!(error.code.status(), 400, "{error}");
            assert!(sent.iter().any(|(name, _)| *name == error.header) && is_ours(&error.header), "{error}");
            assert!(!error.rule.is_empty() && error.rule.len() < 256, "{error}");
            assert!(backwards.is_err(), "refused in one order only");
        }
    }
}

/// Names as HTTP has them, in lower case; values without line ends.
fn header(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?;
    let is_token =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.!#$%&'*+^`|~".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_token)).then_some((name, line[colon + 1..].trim_ascii()))
}

fn check(headers: &Headers, sent: &[(&str, &[u8])]) {
    let attribution = &headers.attribution;
    let step = &attribution.step;
    let text = |value: &dyn std::fmt::Display| value.to_string();
    let ids = [
        (&["agent-id", "agent"][..], false, headers.agent.as_ref().map(|id| text(id))),
        (&["agent-name"], false, headers.agent_name.clone()),
        (&["run-id"], false, attribution.run_id.as_ref().map(|id| text(id))),
        (&["session-id"], true, attribution.session_id.as_ref().map(|id| text(id))),
        (&["session-name"], true, attribution.session_name.clone()),
        (&["trace-id"], false, attribution.trace_id.as_ref().map(|id| text(id))),
        (&["user-id"], true, attribution.user_id.as_ref().map(|id| text(id))),
        (&["step-id"], false, step.step_id.as_ref().map(|id| text(id))),
        (&["parent-step-id"], false, step.parent_step_id.as_ref().map(|id| text(id))),
        (&["tool-call-id"], false, step.tool_call_id.as_ref().map(|id| text(id))),
        (&["handoff-id"], false, step.handoff_id.as_ref().map(|id| text(id))),
        (&["graph-node"], false, step.graph_node.as_ref().map(|id| text(id))),
        (&["state-hash"], false, step.state_hash.as_ref().map(|id| text(id))),
        (&["step-input-hash"], false, step.step_input_hash.as_ref().map(|id| text(id))),
    ];
    for (suffixes, helicone, stored) in ids {
        let given = values(sent, |name| {
            suffixes.iter().any(|suffix| prefixed(name, suffix, if helicone { 4 } else { 3 }))
        });
        let given: Vec<&str> = given.into_iter().filter(|value| !value.is_empty()).collect();
        // A UUID may come in capitals; it is the same id.
        let same = |stored: &str, given: &str| {
            stored == given || (suffixes[0] == "agent-id" && stored.eq_ignore_ascii_case(given))
        };
        match &stored {
            Some(stored) => {
                assert!(given.iter().all(|given| same(stored, given)) && !given.is_empty(), "{stored}");
            }
            None => assert!(given.is_empty(), "{given:?} was dropped"),
        }
    }
    let properties =
        values(sent, |name| (0..4).any(|prefix| name.starts_with(&format!("{}property-", PREFIXES[prefix]))));
    assert!(properties.len() >= attribution.properties.len() && attribution.properties.len() <= 32);
    for (key, value) in &attribution.properties {
        assert!(value.len() <= 512 && key.len() <= 64);
        let given = values(sent, |name| prefixed(name, &format!("property-{key}"), 4));
        assert!(!given.is_empty() && given.iter().all(|given| given == value), "{key} was changed");
    }
    assert!(attribution.properties.is_empty() == properties.is_empty());
    assert!(headers.warnings.iter().all(|warning| WARNINGS.contains(warning)) && headers.warnings.len() <= 3);
}

const WARNINGS: [&str; 3] = ["unknown_header", "empty_header", "traceparent_malformed"];
const PREFIXES: [&str; 4] = ["alephant-", "x-alephant-", "rungate-", "helicone-"];

fn prefixed(name: &str, suffix: &str, prefixes: usize) -> bool {
    PREFIXES[..prefixes].iter().any(|prefix| name.strip_prefix(prefix) == Some(suffix))
}

/// The values of matching headers, as texts without white space around them.
fn values<'a>(sent: &[(&str, &'a [u8])], matches: impl Fn(&str) -> bool) -> Vec<&'a str> {
    let matching = sent.iter().filter(|(name, _)| matches(name));
    matching.map(|(_, value)| std::str::from_utf8(value).unwrap().trim()).collect()
}
