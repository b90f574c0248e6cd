//! Lists, single requests and bodies.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Request;
use rungate_core::agent::Scope;
use rungate_core::exchange::{CostStatus, Entry, ExchangeRecord};
use rungate_core::money::NanoUsd;
use rungate_gateway::journal::drain;
use rungate_server::api;
use rungate_server::jobs::retention;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::made::{OTHER_KEY, exchange, opened, request_id, run_id};
use crate::world::{AGENT, OURS, World, body, closed, token};

/// The fields of WIRE.md 6.7.
const FIELDS: &str = "id requestId runId sessionId sessionPath sessionName traceId otelTraceId userId agentId \
    agentExternalId agentName agentTrust memberId departmentId virtualKeyId virtualKeyLabel keyPrefix providerKeyId \
    stepId parentStepId toolCallId handoffId graphNode stateHash stepInputHash iteration stepAttempt stepKind stepSource \
    createdAt completedAt kind method path status outcome errorCode warnings requestedModel model provider stream \
    attempts tokens usageSource costUsd costNanoUsd costStatus reservedNanoUsd priceSnapshotId cacheSavedNanoUsd \
    latencyMs ttftMs overheadMs requestBytes responseBytes cache decisions properties clientIp country bodies";

#[tokio::test]
async fn a_row_has_every_documented_field() {
    let world = World::new().await;
    world.log(&[exchange(1, 5)]).await;
    let answer = world.get("/api/v1/requests").await;
    let row = &answer.data()["data"][0];
    let names: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
    let mut documented: BTreeSet<&str> = FIELDS.split_whitespace().collect();
    documented.extend(["errorMessage", "previewIn", "previewOut"]);
    assert_eq!(names, documented);
    assert_eq!(row["createdAt"], "2026-11-23T11:55:00.000Z");
    assert_eq!(row["overheadMs"], 1.25);
    let expected = json!({"input": 40, "output": 10, "cachedInput": 0, "cacheWrite": 0, "reasoning": 0,
        "audioInput": 0, "audioOutput": 0});
    assert_eq!(row["tokens"], expected);
    assert_eq!(row["attempts"][0]["upstreamRequestId"], "req_1");
    assert_eq!(row["agentTrust"], "auth_bound");
    assert_eq!(row["bodies"], json!({"request": false, "response": false}));
}

#[tokio::test]
async fn w_008_money_is_an_integer_string_that_agrees_with_the_number() {
    let world = World::new().await;
    let costs = [Some(1), Some(12_000), Some(1_234_567_890), Some(0), None];
    let records: Vec<_> = costs
        .iter()
        .zip(1..)
        .map(|(cost, number)| {
            let mut record = exchange(number, 60 - u64::from(number));
            record.cost = cost.map(NanoUsd::from_nanos);
            record.cost_status = if cost.is_some() { CostStatus::Final } else { CostStatus::Unknown };
            record
        })
        .collect();
    world.log(&records).await;
    let answer = world.get("/api/v1/requests?order=asc").await;
    for (row, cost) in answer.data()["data"].as_array().unwrap().iter().zip(costs) {
        match cost {
            None => assert_eq!((&row["costUsd"], &row["costNanoUsd"]), (&Value::Null, &Value::Null)),
            Some(nanos) => {
                assert_eq!(row["costNanoUsd"], nanos.to_string());
                assert_eq!(NanoUsd::parse_usd(&row["costUsd"].to_string()), Ok(NanoUsd::from_nanos(nanos)));
            }
        }
    }
}

#[tokio::test]
async fn w_009_cursors_over_a_growing_list_neither_repeat_nor_skip() {
    let world = World::new().await;
    let oldest = exchange(1, 24 * 60);
    let mut records = vec![oldest];
    records.extend((2..10).map(|number| exchange(number, 100 - u64::from(number))));
    world.log(&records).await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/requests?limit=2".to_owned();
    for number in 50..100 {
        let answer = world.get(&path).await;
        seen.extend(answer.ids());
        world.log(&[exchange(number, 1)]).await;
        // The oldest row would leave a window that moves on.
        world.pass(Duration::from_mins(1));
        match answer.data()["nextCursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/requests?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    let expected: Vec<String> = records.iter().rev().map(|record| record.id.to_string()).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn w_009_a_cursor_belongs_to_its_filters_and_excludes_pages() {
    let world = World::new().await;
    world.log(&[exchange(1, 3), exchange(2, 2), exchange(3, 1)]).await;
    let first = world.get("/api/v1/requests?limit=1&provider=openai&kind=chat").await;
    let cursor = first.data()["nextCursor"].as_str().unwrap();
    let same = format!("/api/v1/requests?limit=2&kind=chat&provider=openai&count=true&cursor={cursor}");
    assert_eq!(world.get(&same).await.ids().len(), 2);
    for other in ["requests?limit=1", "requests?provider=openai&kind=chat&order=asc", "runs?"] {
        world.get(&format!("/api/v1/{other}&cursor={cursor}")).await.refused(40003);
    }
    world.get(&format!("{same}&page=2")).await.refused(40001);
    let page = world.get("/api/v1/requests?page=2&pageSize=2").await;
    assert_eq!(page.ids(), [exchange(1, 3).id.to_string()]);
    assert_eq!((&page.data()["page"], &page.data()["pageSize"]), (&2.into(), &2.into()));
    assert_eq!((&page.data()["hasMore"], &page.data()["total"]), (&false.into(), &Value::Null));
}

#[tokio::test]
async fn w_023_requests_with_one_request_id_are_all_found() {
    let world = World::new().await;
    let mut records = [exchange(1, 30), exchange(2, 20)];
    for record in &mut records {
        record.request_id = request_id("again");
    }
    world.log(&records).await;
    let newest = world.get("/api/v1/requests/again").await;
    assert_eq!(newest.data()["id"], records[1].id.to_string());
    assert_eq!(newest.data()["matches"], 2);
    assert_eq!(world.get("/api/v1/requests?requestId=again").await.ids().len(), 2);
}

#[tokio::test]
async fn w_024_our_id_opens_the_row() {
    let world = World::new().await;
    let mut record = exchange(1, 60 * 24 * 5);
    // An x-request-id that has the shape of our ids, but is none.
    record.request_id = request_id("79a583b6-1fe1-41bf-a53b-c23b469329b1");
    world.log(std::slice::from_ref(&record)).await;
    for id in [record.id.to_string(), "79a583b6-1fe1-41bf-a53b-c23b469329b1".to_owned()] {
        for base in ["requests", "logs"] {
            let answer = world.get(&format!("/api/v1/{base}/{id}")).await;
            assert_eq!(answer.data()["id"], record.id.to_string());
            assert_eq!(answer.data()["matches"], 1);
        }
    }
    let unknown = world.get("/api/v1/requests/018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001").await;
    unknown.refused(40401);
    assert_eq!(unknown.body["message"], "request not found");
    world.get("/api/v1/requests/a%20b").await.refused(40401);
}

#[tokio::test]
async fn bodies_come_byte_for_byte() {
    let world = World::new().await;
    let record = exchange(1, 5);
    let request = body(b"{\"a\" : 1}");
    let mut response = body(b"\xff\xfe");
    response.truncated = true;
    let opening = Entry::Opened { record: Arc::new(opened(&record)), request: Some(request) };
    let closing = Entry::Closed { record: Arc::new(record.clone()), request: None, response: Some(response) };
    world.apply([opening, closing, closed(&exchange(2, 4))]).await;
    let answer = world.get(&format!("/api/v1/requests/{}/bodies", record.id)).await;
    let expected = json!({"request": "{\"a\" : 1}", "requestEncoding": "utf-8", "response": "//4=",
        "responseEncoding": "base64", "redacted": false, "truncated": true});
    assert_eq!(*answer.data(), expected);
    let row = world.get(&format!("/api/v1/requests/{}", record.id)).await;
    assert_eq!(row.data()["bodies"], json!({"request": true, "response": true}));
    let none = world.get(&format!("/api/v1/requests/{}/bodies", exchange(2, 4).id)).await;
    assert_eq!((&none.data()["request"], &none.data()["requestEncoding"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn w_092_reads_right_after_an_answer_find_the_row_with_its_cost() {
    let world = World::new().await;
    let (journal, log) = (Arc::clone(&world.services.journal), Arc::clone(&world.services.log));
    let stop = CancellationToken::new();
    let draining = tokio::spawn(drain::run(journal, log, stop.clone()));
    for number in 1..7 {
        let mut record = exchange(number, 0);
        let name = format!("fresh-{number}");
        record.request_id = request_id(&name);
        record.attribution.run_id = run_id(&name);
        let opening = Entry::Opened { record: Arc::new(opened(&record)), request: None };
        world.services.journal.append(opening).await.unwrap();
        world.services.journal.append(closed(&record)).await.unwrap();
        // Each read of its own would find nothing if it did not wait for the journal.
        let path = match number % 3 {
            0 => format!("/api/v1/requests/{name}"),
            1 => format!("/api/v1/runs/{name}"),
            _ => format!("/v1/analytics/request-logs/{}", record.id),
        };
        let first = world.get(&path).await;
        let found = if number % 3 == 2 {
            &first.data()["row"]["cost_nano_usd"]
        } else {
            &first.data()["costNanoUsd"]
        };
        assert_eq!(found, "12000", "{path}");
        for _ in 0..6 {
            let row = world.get(&format!("/v1/analytics/request-logs/{name}")).await;
            assert_eq!(row.data()["cost"], 0.000_012);
        }
    }
    stop.cancel();
    draining.await.unwrap();
}

#[tokio::test]
async fn a_log_that_is_behind_the_journal_is_read_as_it_is() {
    let world = World::new().await;
    world.log(&[exchange(1, 5)]).await;
    world.services.journal.append(closed(&exchange(2, 4))).await.unwrap();
    let started = Instant::now();
    assert_eq!(world.get("/api/v1/requests").await.ids(), [exchange(1, 5).id.to_string()]);
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn w_108_the_api_description_has_the_views() {
    let described = api::openapi::document();
    let parameters = described["paths"]["/api/v1/requests"]["get"]["parameters"].as_array().unwrap();
    let names: Vec<&str> = parameters.iter().filter_map(|parameter| parameter["name"].as_str()).collect();
    for name in ["runId", "property.<key>", "minCostUsd", "cursor", "pageSize"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let schemas = described["components"]["schemas"].as_object().unwrap();
    for name in ["Request", "Run", "Session", "Step", "RequestLogRow"] {
        assert!(schemas.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn what_a_logging_policy_keeps_for_less_time_goes_before_its_day_does() {
    let world = World::new().await;

    let day = 24 * 60;
    let whole = |record: &ExchangeRecord| Entry::Closed {
        record: Arc::new(record.clone()),
        request: Some(body(b"{}")),
        response: Some(body(b"{}")),
    };
    // Of an agent that keeps for three days and bodies for one; and of nobody that says anything.
    let records: Vec<ExchangeRecord> = [(1, 6), (2, 2), (3, 0), (4, 6), (5, 2)]
        .into_iter()
        .map(|(number, days)| {
            let mut record = exchange(number, days * day);
            if number > 3 {
                record.agent.id = None;
                record.virtual_key_id = OTHER_KEY;
            }
            record
        })
        .collect();
    world.apply(records.iter().map(whole)).await;
    let policy = json!({
        "name": "forget soon", "type": "logging", "target": { "type": "agent", "id": AGENT.to_string() },
        "config": { "retentionDays": 3, "bodyRetentionDays": 1 },
    });
    let request = Request::post("/api/v1/policies")
        .header("authorization", format!("Bearer {}", token(OURS, Scope::Admin)))
        .header("content-type", "application/json");
    world.send(request.body(policy.to_string().into()).unwrap()).await.created();
    world.services.directories.refresh(&*world.services.catalog).await.unwrap();

    let stop = CancellationToken::new();
    let term = retention::Term { row_days: 90, body_days: 30 };
    let job = tokio::spawn(retention::run(Arc::clone(&world.services), term, stop.clone()));
    let path = |record: &ExchangeRecord| format!("/api/v1/requests/{}", record.id);
    for _ in 0..200 {
        if world.get(&path(&records[0])).await.status == 404 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    job.await.unwrap();
    world.get(&path(&records[0])).await.refused(40401);
    for (record, has_bodies) in records[1..].iter().zip([false, true, true, true]) {
        let row = world.get(&path(record)).await;
        let expected = json!({ "request": has_bodies, "response": has_bodies });
        assert_eq!(row.data()["bodies"], expected, "{}", record.created_at);
        let bodies = world.get(&format!("{}/bodies", path(record))).await;
        assert_eq!(bodies.data()["request"].is_null(), !has_bodies);
    }
}
