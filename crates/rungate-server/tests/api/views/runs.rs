//! Runs, their steps and timelines, and sessions.

use std::sync::Arc;
use std::time::Duration;

use rungate_core::exchange::{Entry, ExchangeRecord};
use serde_json::{Value, json};

use super::made::{exchange, opened, run_id, session_id, step_id, variety};
use crate::world::{AGENT, World};

fn sum(rows: &[Value], read: impl Fn(&Value) -> Option<u64>) -> u64 {
    rows.iter().filter_map(read).sum()
}

fn step(number: u8, minutes: u64, id: &str, parent: Option<&str>) -> ExchangeRecord {
    let mut record = exchange(number, minutes);
    record.attribution.run_id = run_id("tree");
    record.attribution.step.step_id = step_id(id);
    record.attribution.step.parent_step_id = parent.and_then(step_id);
    record
}

#[tokio::test]
async fn w_104_run_totals_equal_the_sum_of_rows() {
    let world = World::new().await;
    world.log(&variety()).await;
    let runs = world.get("/api/v1/runs").await;
    let runs = runs.data()["data"].as_array().unwrap();
    assert_eq!(runs.len(), 4);
    for run in runs {
        let id = run["runId"].as_str().unwrap().replace('/', "%2F");
        let rows = world.get(&format!("/api/v1/requests?runId={id}")).await;
        let rows = rows.data()["data"].as_array().unwrap();
        assert_eq!(run["requests"], rows.len());
        let nanos = |row: &Value| row["costNanoUsd"].as_str()?.parse().ok();
        assert_eq!(run["costNanoUsd"], sum(rows, nanos).to_string());
        assert_eq!(run["tokens"]["input"], sum(rows, |row| row["tokens"]["input"].as_u64()));
        assert_eq!(run["tokens"]["output"], sum(rows, |row| row["tokens"]["output"].as_u64()));
        assert_eq!(run["errors"], sum(rows, |row| Some(u64::from(row["outcome"] != "succeeded"))));
        assert_eq!(run["unknownCostRequests"], sum(rows, |row| Some(u64::from(row["costUsd"].is_null()))));
        let detail = world.get(&format!("/api/v1/runs/{id}")).await;
        let by_model = detail.data()["costByModel"].as_array().unwrap();
        assert_eq!(sum(by_model, nanos).to_string(), run["costNanoUsd"]);
        let ours = world.get(&format!("/api/v1/runs/{}", run["id"].as_str().unwrap())).await;
        assert_eq!(ours.data(), detail.data());
    }
}

#[tokio::test]
async fn a_run_has_every_documented_field() {
    let world = World::new().await;
    let mut record = exchange(1, 5);
    record.attribution.run_id = run_id("run_1");
    record.attribution.properties = super::made::properties(&[("env", "prod")]);
    world.log(&[record]).await;
    let run = world.get("/api/v1/runs/run_1").await;
    let run = run.data().as_object().unwrap().clone();
    let documented = "id runId traceId name sessionId agents status startedAt lastActivityAt endedAt endReason durationMs requests \
        events checks errors tokens models costUsd costNanoUsd unknownCostRequests budgets systemPrompt properties steps \
        stepsTruncated costByModel";
    let mut names: Vec<&str> = documented.split_whitespace().collect();
    names.sort_unstable();
    let mut found: Vec<&str> = run.keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, names);
    assert_eq!(run["checks"], json!({"allow": 0, "hold": 0, "deny": 0, "unchecked": 0}));
    assert_eq!(run["durationMs"], 812);
    assert_eq!(run["properties"], json!({"env": "prod"}));
    assert_eq!(run["agents"][0]["externalId"], "agt_support_bot_8f3a");
}

#[tokio::test]
async fn runs_are_running_until_nothing_happens_for_a_while() {
    let world = World::new().await;
    let mut records = [exchange(1, 20), exchange(2, 40)];
    records[0].attribution.run_id = run_id("new");
    records[1].attribution.run_id = run_id("old");
    world.log(&records).await;
    let of = async |status: &str| {
        let answer = world.get(&format!("/api/v1/runs?status={status}")).await;
        let runs = answer.data()["data"].as_array().unwrap().clone();
        runs.iter().map(|run| (run["runId"].clone(), run["status"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(of("running").await, [("new".into(), "running".into())]);
    assert_eq!(of("idle").await, [("old".into(), "idle".into())]);
    assert_eq!(of("completed").await, []);
    world.pass(Duration::from_mins(15));
    assert_eq!(of("running").await, []);
    assert_eq!(of("idle").await.len(), 2);
}

#[tokio::test]
async fn run_filters_return_exactly_their_runs() {
    let world = World::new().await;
    world.log(&variety()).await;
    let of = async |path: &str| {
        let answer = world.get(path).await;
        let runs = answer.data()["data"].as_array().unwrap().clone();
        let mut ids: Vec<String> = runs.iter().map(|run| run["runId"].as_str().unwrap().to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    let all = ["run/2", "run_1", "run_3", "run_4"];
    assert_eq!(of("/api/v1/runs?agentId=agt_other&agentId=agt_support_bot_8f3a").await, all);
    assert_eq!(of(&format!("/api/v1/agents/{AGENT}/runs")).await, all);
    assert_eq!(of("/api/v1/agents/agt_support_bot_8f3a/runs?q=run%2F2").await, ["run/2"]);
    assert_eq!(of("/api/v1/runs?sessionId=s1").await, ["run/2", "run_4"]);
    assert_eq!(of("/api/v1/runs?property.env=test").await, ["run_1", "run_3"]);
    assert_eq!(of("/api/v1/runs?hasErrors=true").await, ["run_3", "run_4"]);
    assert_eq!(of("/api/v1/runs?hasErrors=false").await, ["run/2", "run_1"]);
    assert_eq!(of("/api/v1/runs?minCostUsd=1").await, Vec::<String>::new());
    assert_eq!(of("/api/v1/runs?to=2026-11-23T01:00:00Z").await, Vec::<String>::new());
    world.get("/api/v1/agents/agt_nobody/runs").await.refused(40400);
}

#[tokio::test]
async fn steps_are_a_tree_whatever_callers_say() {
    let world = World::new().await;
    let mut records = vec![
        step(1, 60, "plan", None),
        step(2, 59, "search", Some("plan")),
        step(3, 58, "search", Some("plan")),
        step(4, 57, "read", Some("search")),
        step(5, 56, "lost", Some("never-seen")),
        step(6, 55, "self", Some("self")),
        step(7, 54, "x", Some("y")),
        step(8, 53, "y", Some("x")),
    ];
    records.push(exchange(9, 52));
    records[8].attribution.run_id = run_id("tree");
    for depth in 0..100_u8 {
        let parent = depth.checked_sub(1).map(|above| format!("deep-{above}"));
        let mut record = step(100 + depth, 50, &format!("deep-{depth}"), parent.as_deref());
        record.created_at = record.created_at.plus(Duration::from_millis(u64::from(depth)));
        records.push(record);
    }
    world.log(&records).await;
    let run = world.get("/api/v1/runs/tree").await;
    let steps = run.data()["steps"].as_array().unwrap();
    let (plan, search) = (&steps[0], &steps[0]["children"][0]);
    assert_eq!((&plan["stepId"], &plan["requests"]), (&"plan".into(), &1.into()));
    assert_eq!((&search["stepId"], &search["requests"]), (&"search".into(), &2.into()));
    assert_eq!(search["costNanoUsd"], "24000");
    assert_eq!(search["durationMs"], 60_812);
    assert_eq!(search["children"][0]["stepId"], "read");
    let top: Vec<&str> = steps.iter().map(|step| step["stepId"].as_str().unwrap()).collect();
    assert_eq!(top[..6], ["plan", "lost", "self", "x", "y", "deep-0"]);
    assert_eq!(count(steps), 107, "no step is lost");
    assert_eq!(run.data()["requests"], records.len());
}

fn count(steps: &[Value]) -> usize {
    steps.iter().map(|step| 1 + count(step["children"].as_array().unwrap())).sum()
}

#[tokio::test]
async fn a_timeline_is_read_oldest_first_in_pages() {
    let world = World::new().await;
    let mut records: Vec<_> = (1..6).map(|number| step(number, 60 - u64::from(number), "s", None)).collect();
    records[4].model = None;
    records[4].requested_model = None;
    world.log(&records).await;
    let mut open = step(9, 1, "s", None);
    open.attribution.step.parent_step_id = step_id("p");
    world.apply([Entry::Opened { record: Arc::new(opened(&open)), request: None }]).await;
    records.push(open);
    let mut entries = Vec::new();
    let mut path = "/api/v1/runs/tree/timeline?limit=4".to_owned();
    loop {
        let answer = world.get(&path).await;
        entries.extend(answer.data()["data"].as_array().unwrap().clone());
        let Some(cursor) = answer.data()["nextCursor"].as_str() else { break };
        path = format!("/api/v1/runs/tree/timeline?limit=4&cursor={cursor}");
    }
    let ids: Vec<String> = entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, records.iter().map(|record| record.id.to_string()).collect::<Vec<_>>());
    let expected = json!({"at": "2026-11-23T11:01:00.000Z", "kind": "request", "id": records[0].id, "stepId": "s",
        "parentStepId": null, "title": "chat gpt-4o-mini", "status": "succeeded", "durationMs": 812,
        "costNanoUsd": "12000", "trust": "gateway_observed", "toolCallId": null, "preview": null});
    assert_eq!(entries[0], expected);
    assert_eq!(entries[4]["title"], "POST /v1/chat/completions");
    let last = &entries[5];
    assert_eq!((&last["status"], &last["durationMs"]), (&"pending".into(), &Value::Null));
    assert_eq!((&last["costNanoUsd"], &last["parentStepId"]), (&Value::Null, &"p".into()));
    world.get("/api/v1/runs/tree/timeline?kind=event").await.refused(40001);
}

#[tokio::test]
async fn sessions_group_runs() {
    let world = World::new().await;
    let mut records = [exchange(1, 50), exchange(2, 5), exchange(3, 45)];
    for (record, run) in records.iter_mut().zip(["r1", "r2", "r3"]) {
        record.attribution.run_id = run_id(run);
        record.attribution.session_id = session_id("talk/1");
        record.attribution.session_name = Some("A talk".to_owned());
        record.attribution.session_path = Some("/talk".to_owned());
    }
    records[2].attribution.session_id = session_id("done");
    world.log(&records).await;
    let one = world.get("/api/v1/sessions/talk%2F1").await;
    let expected = json!({"sessionId": "talk/1", "name": "A talk", "path": "/talk", "runs": 2, "requests": 2,
        "agents": [{"id": AGENT, "externalId": "agt_support_bot_8f3a", "name": "Support Bot", "trust": "auth_bound"}],
        "status": "active", "firstAt": "2026-11-23T11:10:00.000Z", "lastAt": "2026-11-23T11:55:00.812Z", "steps": 2,
        "errors": 0, "tokens": {"input": 80, "output": 20}, "costUsd": 0.000_024, "costNanoUsd": "24000",
        "unknownCostRequests": 0});
    assert_eq!(*one.data(), expected);
    let list = world.get("/api/v1/sessions").await;
    assert_eq!(list.data()["data"][0], expected);
    assert_eq!(list.data()["data"][1]["status"], "completed");
    let found = world.get("/api/v1/sessions?q=DONE&agentId=agt_support_bot_8f3a").await;
    assert_eq!(found.data()["data"][0]["sessionId"], "done");
    world.get("/api/v1/sessions/nothing").await.refused(40400);
    world.get("/api/v1/sessions/a%20b").await.refused(40400);
}
