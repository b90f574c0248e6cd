//! The texts themselves, from answers of the API.

use serde_json::{Value, json};

use super::look::Look;
use super::row::{Request, Run};
use super::{request, run};

fn requests() -> Vec<Request> {
    let rows = json!([
        {
            "id": "019f0000-0000-7000-8000-000000000001", "requestId": "req-1", "runId": "run_8421", "stepId": "s1",
            "stepKind": "planning", "agentExternalId": "agt_support_bot_8f3a", "agentTrust": "auth_bound",
            "createdAt": "2026-11-23T16:05:12.000Z", "method": "POST", "path": "/v1/chat/completions", "status": 200,
            "outcome": "succeeded", "errorCode": null, "requestedModel": "gpt-4o-mini", "model": "gpt-4o-mini",
            "provider": "openai", "stream": true, "tokens": {"input": 40, "output": 10, "cachedInput": 0},
            "usageSource": "reported", "costNanoUsd": "12000", "costStatus": "final", "latencyMs": 812, "ttftMs": 90,
            "overheadMs": 1, "properties": {"team": "billing"}, "warnings": [],
            "attempts": [{"provider": "openai", "model": "gpt-4o-mini", "status": 200, "latencyMs": 810}],
            "aFieldOfALaterVersion": {},
        },
        {
            "id": "019f0000-0000-7000-8000-000000000002", "runId": "run_8421", "createdAt": "2026-11-23T16:05:13.000Z",
            "status": 200, "outcome": "succeeded", "requestedModel": "my-own", "model": "my-own",
            "tokens": {"input": 7, "output": 3}, "costNanoUsd": null, "costStatus": "unknown", "latencyMs": 1200,
        },
        {
            "id": "019f0000-0000-7000-8000-000000000003", "createdAt": "2026-11-23T16:05:15.000Z", "status": 403,
            "outcome": "refused", "errorCode": "model_not_allowed", "requestedModel": "gpt-4o", "tokens": null,
            "costNanoUsd": "0", "costStatus": "final", "latencyMs": 1,
        },
        {
            "id": "019f0000-0000-7000-8000-000000000004", "createdAt": "2026-11-23T16:05:16.000Z", "status": null,
            "outcome": "pending", "requestedModel": "gpt-4o", "costNanoUsd": null, "costStatus": "pending",
        },
    ]);
    serde_json::from_value(rows).unwrap()
}

fn the_run(change: &Value) -> Run {
    let mut run = json!({
        "id": "4b0a1a52-0000-8000-8000-000000000000", "runId": "run_8421", "sessionId": "sess_1", "status": "running",
        "agents": [{"id": null, "externalId": "agt_support_bot_8f3a", "name": "Support Bot", "trust": "auth_bound"}],
        "startedAt": "2026-11-23T16:05:12.000Z", "durationMs": 2200, "requests": 2, "errors": 0,
        "tokens": {"input": 47, "output": 13}, "models": ["gpt-4o-mini"], "costNanoUsd": "12000", "unknownCostRequests": 1,
    });
    for (name, value) in change.as_object().unwrap() {
        run[name] = value.clone();
    }
    serde_json::from_value(run).unwrap()
}

#[test]
fn a_list_of_requests() {
    let shown = request::table(&requests()).render(Look::PLAIN);
    let expected = "\
TIME (UTC)      STATUS                 MODEL         TOKENS       COST  LATENCY  AGENT                 RUN       ID
11-23 16:05:12  200                    gpt-4o-mini  40 → 10  $0.000012   812 ms  agt_support_bot_8f3a  run_8421  019f0000-0000-7000-8000-000000000001
11-23 16:05:13  200                    my-own         7 → 3    unknown   1.20 s                        run_8421  019f0000-0000-7000-8000-000000000002
11-23 16:05:15  403 model_not_allowed  gpt-4o                       $0     1 ms                                  019f0000-0000-7000-8000-000000000003
11-23 16:05:16  pending                gpt-4o                  pending                                           019f0000-0000-7000-8000-000000000004
";
    assert_eq!(shown, expected);
}

#[test]
fn a_narrow_list_keeps_what_matters() {
    let shown = request::table(&requests()[..3]).render(Look { width: 48, colour: false });
    let expected = "\
TIME (UTC)      STATUS    MODEL             COST
11-23 16:05:12  200       gpt-4o-mini  $0.000012
11-23 16:05:13  200       my-own         unknown
11-23 16:05:15  403 mod…  gpt-4o              $0
";
    assert_eq!(shown, expected);
}

#[test]
fn one_request_in_full() {
    let shown = request::detail(&requests()[0], Look::PLAIN);
    let expected = "\
id            019f0000-0000-7000-8000-000000000001
x-request-id  req-1
started       2026-11-23T16:05:12.000Z
call          POST /v1/chat/completions
outcome       succeeded · 200

agent         agt_support_bot_8f3a · auth_bound
run           run_8421
step          s1 · planning
property      team = billing

model asked   gpt-4o-mini
model         gpt-4o-mini · openai
stream        yes
tokens        40 input · 10 output
cost          $0.000012

latency       812 ms · first byte after 90 ms · 1 ms of it the gateway's own
attempt       openai · gpt-4o-mini · 200 · 810 ms
";
    assert_eq!(shown, expected);
}

#[test]
fn a_run_as_a_timeline() {
    let shown = run::timeline(&the_run(&json!({})), &requests()[..2], false, Look::PLAIN);
    let expected = "\
Run run_8421
id       4b0a1a52-0000-8000-8000-000000000000
agent    agt_support_bot_8f3a · Support Bot · auth_bound
session  sess_1
status   running
started  2026-11-23T16:05:12.000Z

      AT  STEP         WHERE THE TIME WENT       MODEL         TOKENS  LATENCY       COST  STATUS
+0.000 s  s1 planning  █████████···············  gpt-4o-mini  40 → 10   812 ms  $0.000012  200
+1.000 s               ··········██████████████  my-own         7 → 3   1.20 s    unknown  200

Total  2 requests · 47 → 13 tokens · 2.20 s · $0.000012 + unknown (1 request without a known cost)
";
    assert_eq!(shown, expected);
}

#[test]
fn a_run_whose_costs_are_all_unknown_costs_an_unknown_amount() {
    let run = the_run(&json!({ "costNanoUsd": "0", "unknownCostRequests": 2, "errors": 1 }));
    let shown = run::timeline(&run, &[], false, Look::PLAIN);
    assert!(
        shown.contains("2 requests · 1 error · 47 → 13 tokens · 2.20 s · unknown (2 requests"),
        "{shown}"
    );
    assert!(run::table(&[run]).render(Look::PLAIN).contains("unknown"));
}

#[test]
fn a_list_of_runs() {
    let runs = [
        the_run(&json!({ "unknownCostRequests": 0 })),
        the_run(&json!({ "runId": "r2", "errors": 2, "status": "idle" })),
    ];
    let expected = "\
STARTED (UTC)   RUN       STATUS   REQUESTS  ERRORS   TOKENS                 COST  DURATION  AGENT                 SESSION
11-23 16:05:12  run_8421  running         2       0  47 → 13            $0.000012    2.20 s  agt_support_bot_8f3a  sess_1
11-23 16:05:12  r2        idle            2       2  47 → 13  $0.000012 + unknown    2.20 s  agt_support_bot_8f3a  sess_1
";
    assert_eq!(run::table(&runs).render(Look::PLAIN), expected);
}

#[test]
fn what_callers_chose_does_not_steer_the_terminal() {
    let run = the_run(&json!({ "name": "x\u{1b}]0;owned\u{7}", "sessionId": "a\nb" }));
    let shown = run::timeline(&run, &requests(), true, Look::PLAIN);
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}') && !shown.contains("a\nb"), "{shown}");
}
