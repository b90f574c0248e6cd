//! Sums over requests.

use http::{Method, Request};
use rungate_core::agent::Scope;
use rungate_core::exchange::{Outcome, Sequence};
use serde_json::{Value, json};

use super::made::{exchange, properties, run_id};
use crate::world::{AGENT, OURS, THEIRS, World, agent_name, pat, token};

const ROLLUP: &str = "/api/v1/analytics/rollup";
const PROPERTIES: &str = "/api/v1/analytics/rollup-properties";

async fn world() -> World {
    let world = World::new().await;
    let mut records = [exchange(1, 200), exchange(2, 30), exchange(3, 10)];
    for record in &mut records[1..] {
        record.attribution.run_id = run_id("run_1");
        record.attribution.properties = properties(&[("team", "red")]);
    }
    // A sub-agent of the run, whose cost is unknown, and which failed.
    records[2].agent.external_id = rungate_core::id::ExternalId::parse("agt_helper").unwrap();
    records[2].agent.id = None;
    records[2].cost = None;
    records[2].outcome = Outcome::UpstreamFailed;
    records[2].status = Some(502);
    world.log(&records).await;
    assert_eq!(world.services.log.applied().await.unwrap(), Sequence(3));
    world
}

async fn items(world: &World, query: &str) -> Vec<Value> {
    world.get(&format!("{ROLLUP}?{query}")).await.data()["items"].as_array().unwrap().clone()
}

/// Of each row: whose, requests, cost, requests of unknown cost.
fn counts(items: &[Value]) -> Vec<Value> {
    let row = |item: &Value| {
        json!([item["entity"], item["requests"], item["costNanoUsd"], item["unknownCostRequests"]])
    };
    items.iter().map(row).collect()
}

async fn put(world: &World, token: &str, body: &Value) -> crate::world::Answer {
    let request = Request::builder()
        .method(Method::PUT)
        .uri(PROPERTIES)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    world.send(request.body(body.to_string().into()).unwrap()).await
}

#[tokio::test]
async fn w_104_sums_stand_beside_what_is_unknown() {
    let world = world().await;
    let all = items(&world, "granularity=all").await;
    assert_eq!(all.len(), 1);
    let row = &all[0];
    assert_eq!(
        (&row["requests"], &row["errors"], &row["unknownCostRequests"]),
        (&3.into(), &1.into(), &1.into())
    );
    assert_eq!((&row["costNanoUsd"], &row["costUsd"]), (&"24000".into(), &json!(0.000_024)));
    assert_eq!((&row["inputTokens"], &row["outputTokens"]), (&120.into(), &30.into()));
    assert_eq!((&row["at"], &row["entity"], &row["isOther"]), (&Value::Null, &Value::Null, &false.into()));
    assert_eq!(row["latency"]["avgMs"], 812);
    for name in ["p50Ms", "p95Ms", "p99Ms"] {
        assert!((812..=1_149).contains(&row["latency"][name].as_u64().unwrap()), "{row}");
    }
}

#[tokio::test]
async fn w_104_a_run_s_sub_agents_count_to_the_agent_it_began_with() {
    let world = world().await;
    let ours = agent_name().to_string();
    let by_agent = items(&world, "groupBy=agent&granularity=all").await;
    assert_eq!(counts(&by_agent), [json!([ours, 2, "24000", 0]), json!(["agt_helper", 1, "0", 1])]);
    let by_run_agent = items(&world, "groupBy=run_agent&granularity=all").await;
    assert_eq!(counts(&by_run_agent), [json!([ours, 3, "24000", 1])]);
    for agent in [AGENT.to_string(), ours] {
        let query = format!("groupBy=model&runAgentId={agent}&granularity=all");
        assert_eq!(counts(&items(&world, &query).await), [json!(["openai/gpt-4o-mini", 3, "24000", 1])]);
    }
    let nobody = items(&world, "groupBy=member&granularity=all").await;
    assert_eq!(counts(&nobody), [json!([null, 3, "24000", 1])]);
    assert_eq!(items(&world, "provider=anthropic").await, Vec::<Value>::new());
}

#[tokio::test]
async fn hours_and_days_are_whole_and_in_order() {
    let world = world().await;
    let hours = items(&world, "granularity=hour").await;
    let at: Vec<&str> = hours.iter().map(|row| row["at"].as_str().unwrap()).collect();
    assert_eq!(at.len(), 2);
    assert!(at.is_sorted() && at.iter().all(|at| at.ends_with(":00:00.000Z")), "{at:?}");
    let days = items(&world, "").await;
    assert_eq!(days.len(), 1);
    assert!(days[0]["at"].as_str().unwrap().ends_with("T00:00:00.000Z"));
    let answer = world
        .get(&format!("{ROLLUP}?granularity=hour&from=2026-11-20T10:20:00Z&to=2026-11-20T12:00:00Z"))
        .await;
    assert_eq!(
        answer.data()["period"],
        json!({"from": "2026-11-20T10:00:00.000Z", "to": "2026-11-20T12:00:00.000Z"})
    );
}

#[tokio::test]
async fn properties_are_rolled_up_when_they_are_asked_for() {
    let world = world().await;
    let admin = token(OURS, Scope::Admin);
    assert_eq!(world.get(PROPERTIES).await.data(), &json!({"keys": []}));
    assert_eq!(items(&world, "groupBy=property:team&granularity=all").await, Vec::<Value>::new());
    let set = put(&world, &admin, &json!({"keys": ["team", "env", "team"]})).await;
    assert_eq!(set.data(), &json!({"keys": ["env", "team"]}));
    assert_eq!(world.get(PROPERTIES).await.data(), &json!({"keys": ["env", "team"]}));
    let by_team = items(&world, "groupBy=property:Team&granularity=all").await;
    assert_eq!(counts(&by_team), [json!(["red", 2, "12000", 1])]);

    put(&world, &admin, &json!({"keys": ["Team"]})).await.broke("keys[0]", "format");
    let many: Vec<String> = (0..11).map(|number| format!("k{number}")).collect();
    put(&world, &admin, &json!({ "keys": many })).await.broke("keys", "length");
    put(&world, &token(OURS, Scope::Read), &json!({"keys": []})).await.refused(40301);
}

#[tokio::test]
async fn w_007_another_workspace_has_sums_of_its_own() {
    let world = world().await;
    put(&world, &token(OURS, Scope::Admin), &json!({"keys": ["team"]})).await.data();
    for query in
        ["granularity=all", "groupBy=agent", "groupBy=property:team", &format!("agentId={}", agent_name())]
    {
        let answer = world.get_as(&pat(THEIRS), &format!("{ROLLUP}?{query}")).await;
        assert_eq!(answer.data()["items"], json!([]), "{query}");
    }
    assert_eq!(world.get_as(&pat(THEIRS), PROPERTIES).await.data(), &json!({"keys": []}));
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let world = World::new().await;
    for (query, field, rule) in [
        ("groupBy=department", "groupBy", "format"),
        ("groupBy=property:", "groupBy", "format"),
        ("groupBy=agent&groupBy=model", "groupBy", "repeated"),
        ("granularity=minute", "granularity", "format"),
        ("from=2026-11-20T00:00:00Z&to=2026-11-19T00:00:00Z", "from", "range"),
        ("from=2999-11-20T00:00:00Z", "from", "range"),
        ("from=yesterday", "from", "format"),
        ("virtualKeyId=vk", "virtualKeyId", "format"),
        ("groupBy=property:team&provider=openai", "groupBy", "unsupported"),
        ("limit=5", "limit", "unknown_parameter"),
    ] {
        world.get(&format!("{ROLLUP}?{query}")).await.broke(field, rule);
    }
    for query in [
        "granularity=hour&from=2026-01-01T00:00:00Z&to=2026-05-01T00:00:00Z",
        "from=2001-01-01T00:00:00Z&to=2026-05-01T00:00:00Z",
    ] {
        let answer = world.get(&format!("{ROLLUP}?{query}")).await;
        assert_eq!(answer.body["error"]["code"], "window_too_long", "{query}");
    }
}
