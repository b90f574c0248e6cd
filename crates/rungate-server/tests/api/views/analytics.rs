//! The reader for older clients.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rungate_core::exchange::Entry;
use serde_json::{Value, json};

use super::made::{OTHER_KEY, exchange, opened, request_id, run_id};
use crate::world::{AGENT_TOKEN, MEMBER, MEMBER_TOKEN, World, closed};

#[tokio::test]
async fn w_093_an_unknown_request_is_waited_for_then_404() {
    let world = World::new().await;
    let started = Instant::now();
    let answer = world.get("/v1/analytics/request-logs/nothing").await;
    assert!(started.elapsed() >= Duration::from_secs(1));
    answer.refused(40401);
    let expected = json!({"code": 40401, "message": "request not found", "data": null,
        "error": {"type": "NOT_FOUND", "code": "request_not_found", "field": null, "details": null}});
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn w_093_a_request_has_its_cost_and_its_older_names() {
    let world = World::new().await;
    let mut records = [exchange(1, 30), exchange(2, 20), exchange(3, 10)];
    for record in &mut records {
        record.request_id = request_id("79a583b6-1fe1-41bf-a53b-c23b469329b1");
    }
    records[2].attribution.run_id = run_id("run_8421");
    records[2].attribution.properties = super::made::properties(&[("teamname", "a"), ("k_b", "c")]);
    world.log(&records).await;
    let answer = world.get("/v1/analytics/request-logs/79a583b6-1fe1-41bf-a53b-c23b469329b1").await;
    let data = answer.data();
    assert_eq!((&data["cost"], &data["totalCost"]), (&0.000_012.into(), &0.000_012.into()));
    assert_eq!((&data["currency"], &data["matches"]), (&"USD".into(), &3.into()));
    let others: Vec<&Value> = data["rows"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!(others, [&json!(records[1].id), &json!(records[0].id)]);
    let row = &data["row"];
    for (name, value) in [
        ("request_id", json!("79a583b6-1fe1-41bf-a53b-c23b469329b1")),
        ("response_id", json!(records[2].id)),
        ("cost", json!(0.000_012)),
        ("cost_nano_usd", json!("12000")),
        ("currency", json!("USD")),
        ("model", json!("gpt-4o-mini")),
        ("provider", json!("openai")),
        ("status", json!(200)),
        ("latency", json!(812)),
        ("latency_ms", json!(812)),
        ("time_to_first_token", json!(700)),
        ("prompt_tokens", json!(40)),
        ("completion_tokens", json!(10)),
        (
            "tokens",
            json!({"input": 40, "output": 10, "cached_input": 0, "cache_write": 0, "reasoning": 0,
            "audio_input": 0, "audio_output": 0}),
        ),
        ("alephant_agent_id", json!("agt_support_bot_8f3a")),
        ("alephant_agent_name", json!("Support Bot")),
        ("alephant_agent_trust_level", json!("auth_bound")),
        ("alephant_run_id", json!("run_8421")),
        ("run_id", json!("run_8421")),
        ("session_id", Value::Null),
        ("trace_id", Value::Null),
        ("entity_type", json!("agent")),
        ("entity_name", json!("Support Bot")),
        ("properties", json!({"teamname": "a", "k_b": "c"})),
        ("size_bytes", json!(500)),
        ("policy_event_type", Value::Null),
    ] {
        assert_eq!(row.get(name), Some(&value), "{name}");
    }
    let documented = "response_created_at request_created_at prompt_cache_read_tokens prompt_cache_write_tokens \
        reasoning_tokens prompt_audio_tokens completion_audio_tokens proxy_key_id proxy_key_name proxy_key_prefix \
        master_key_id workspace_id department_id entity_id user_id country_code cache_enabled alephant_step_id step_id \
        parent_step_id alephant_graph_node alephant_step_kind alephant_step_source requested_model usage_source";
    for name in documented.split_whitespace() {
        assert!(row.get(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_request_without_an_id_is_known_by_ours() {
    let world = World::new().await;
    world.log(&[exchange(1, 5)]).await;
    let id = exchange(1, 5).id.to_string();
    let answer = world.get(&format!("/v1/analytics/request-logs/{id}")).await;
    assert_eq!(answer.data()["row"]["request_id"], id);
    assert_eq!(answer.data()["matches"], 1);
}

#[tokio::test]
async fn an_open_request_is_waited_for() {
    let world = World::new().await;
    let record = exchange(1, 0);
    world.apply([Entry::Opened { record: Arc::new(opened(&record)), request: None }]).await;
    let path = format!("/v1/analytics/request-logs/{}", record.id);
    let still_open = world.get(&path).await;
    assert_eq!(still_open.data()["row"]["outcome"], "pending");
    assert_eq!((&still_open.data()["cost"], &still_open.data()["row"]["cost"]), (&Value::Null, &Value::Null));
    let ending = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.apply([closed(&record)]).await;
    };
    let (answer, ()) = tokio::join!(world.get(&path), ending);
    assert_eq!(answer.data()["row"]["outcome"], "succeeded");
    assert_eq!(answer.data()["cost"], 0.000_012);
}

#[tokio::test]
async fn a_virtual_key_sees_its_own_scope() {
    let world = World::new().await;
    let mut by_agent = exchange(1, 30);
    by_agent.virtual_key_id = OTHER_KEY;
    let mut by_member = exchange(2, 20);
    by_member.virtual_key_id = OTHER_KEY;
    by_member.member_id = Some(MEMBER);
    by_member.agent.id = None;
    let mut records = [by_agent, by_member];
    for record in &mut records {
        record.request_id = request_id("shared");
    }
    world.log(&records).await;
    let agent = world.get_as(AGENT_TOKEN, "/v1/analytics/request-logs/shared").await;
    assert_eq!((&agent.data()["row"]["id"], &agent.data()["matches"]), (&json!(records[0].id), &1.into()));
    let member = world.get_as(MEMBER_TOKEN, "/v1/analytics/request-logs/shared").await;
    assert_eq!((&member.data()["row"]["id"], &member.data()["matches"]), (&json!(records[1].id), &1.into()));
    assert_eq!(member.data()["row"]["entity_type"], "member");
    let foreign = format!("/v1/analytics/request-logs/{}", records[0].id);
    world.get_as(MEMBER_TOKEN, &foreign).await.refused(40401);
}
