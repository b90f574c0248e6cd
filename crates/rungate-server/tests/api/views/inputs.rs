//! What is refused, and how.

use axum::body::Body;
use http::{Request, StatusCode};

use super::made::exchange;
use crate::world::{AGENT_TOKEN, OURS, THEIRS, World, pat};

#[tokio::test]
async fn bad_values_name_the_parameter() {
    let world = World::new().await;
    for (path, field) in [
        ("/api/v1/requests?id=x", "id"),
        ("/api/v1/requests?requestId=a%20b", "requestId"),
        ("/api/v1/requests?runId=a%20b", "runId"),
        ("/api/v1/requests?agentId=_", "agentId"),
        ("/api/v1/requests?memberId=me", "memberId"),
        ("/api/v1/requests?kind=talk", "kind"),
        ("/api/v1/requests?status=600", "status"),
        ("/api/v1/requests?status=4x", "status"),
        ("/api/v1/requests?outcome=ok", "outcome"),
        ("/api/v1/requests?errorCode=nope", "errorCode"),
        ("/api/v1/requests?property.a%20b=1", "property.a b"),
        ("/api/v1/requests?from=yesterday", "from"),
        ("/api/v1/requests?from=2026-11-23T12:00:00Z&to=2026-11-23T11:00:00Z", "from"),
        ("/api/v1/requests?to=2026-11-23T11:00:00Z&to=2026-11-23T12:00:00Z", "to"),
        ("/api/v1/requests?minCostUsd=-1", "minCostUsd"),
        ("/api/v1/requests?minCostUsd=much", "minCostUsd"),
        ("/api/v1/requests?minLatencyMs=-1", "minLatencyMs"),
        ("/api/v1/requests?order=up", "order"),
        ("/api/v1/requests?count=yes", "count"),
        ("/api/v1/requests?limit=201", "limit"),
        ("/api/v1/requests?page=1&limit=5", "page"),
        ("/api/v1/runs?status=gone", "status"),
        ("/api/v1/runs?hasErrors=maybe", "hasErrors"),
        ("/api/v1/runs?count=true", "count"),
        ("/api/v1/agents/agt_support_bot_8f3a/runs?agentId=agt_other", "agentId"),
        ("/api/v1/sessions?from=x", "from"),
        ("/api/v1/requests?colour=red", "colour"),
    ] {
        let answer = world.get(path).await;
        let error = answer.refused(40001);
        assert_eq!(error["details"]["fields"][0]["field"], field, "{path}");
        assert_eq!(error["code"], "invalid_request");
    }
    let all = world.get("/api/v1/requests?id=x&kind=talk&colour=red").await;
    assert_eq!(all.refused(40001)["details"]["fields"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn unknown_parameters_are_refused_with_the_known_ones() {
    let world = World::new().await;
    let answer = world.get("/api/v1/requests?runid=run_1").await;
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.contains("runid") && message.contains("runId, sessionId"), "{message}");
    let departments = world.get("/api/v1/requests?departmentId=018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001").await;
    assert_eq!(departments.refused(40007)["field"], "departmentId");
}

#[tokio::test]
async fn w_007_an_id_of_another_workspace_is_404_on_every_route() {
    let world = World::new().await;
    let mut record = exchange(1, 5);
    record.request_id = super::made::request_id("mine");
    record.attribution.run_id = super::made::run_id("run_1");
    record.attribution.session_id = super::made::session_id("s1");
    world.log(std::slice::from_ref(&record)).await;
    let ours = world.get("/api/v1/runs/run_1").await;
    let run = ours.data()["id"].as_str().unwrap();
    for (path, code) in [
        (format!("/api/v1/requests/{}", record.id), 40401),
        ("/api/v1/requests/mine".to_owned(), 40401),
        (format!("/api/v1/requests/{}/bodies", record.id), 40401),
        ("/api/v1/runs/run_1".to_owned(), 40400),
        (format!("/api/v1/runs/{run}"), 40400),
        ("/api/v1/runs/run_1/timeline".to_owned(), 40400),
        ("/api/v1/sessions/s1".to_owned(), 40400),
        ("/api/v1/agents/agt_support_bot_8f3a/runs".to_owned(), 40400),
        (format!("/v1/analytics/request-logs/{}", record.id), 40401),
    ] {
        world.get_as(&pat(THEIRS), &path).await.refused(code);
        assert_eq!(world.get_as(&pat(OURS), &path).await.status, StatusCode::OK, "{path}");
    }
    for list in ["requests", "runs", "sessions"] {
        let theirs = world.get_as(&pat(THEIRS), &format!("/api/v1/{list}")).await;
        assert_eq!(theirs.data()["data"], serde_json::json!([]));
    }
}

#[tokio::test]
async fn w_005_paths_and_methods_come_before_credentials() {
    let world = World::new().await;
    let send = async |method: &str, path: &str| {
        world.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
    };
    send("GET", "/v1/analytics/nothing").await.refused(40400);
    send("GET", "/api/v1/requests/").await.refused(40400);
    send("POST", "/api/v1/requests").await.refused(40500);
    send("POST", "/v1/analytics/request-logs/x").await.refused(40500);
    send("GET", "/api/v1/requests").await.refused(40101);
    send("GET", "/v1/analytics/request-logs/x").await.refused(40101);
    assert_eq!(send("GET", "/v1/analytics/health").await.data()["status"], "ok");
    for list in ["requests", "logs/x", "runs", "runs/x/timeline", "sessions"] {
        world.get_as(AGENT_TOKEN, &format!("/api/v1/{list}")).await.refused(40304);
    }
}

#[tokio::test]
async fn w_006_a_store_that_is_away_is_503_and_tells_nothing() {
    let mut world = World::new().await;
    world.close_store().await;
    for path in [
        "/api/v1/requests",
        "/api/v1/requests/x",
        "/api/v1/requests/x/bodies",
        "/api/v1/runs",
        "/api/v1/runs/x",
        "/api/v1/runs/x/timeline",
        "/api/v1/agents/agt_support_bot_8f3a/runs",
        "/api/v1/sessions",
        "/api/v1/sessions/x",
        "/v1/analytics/request-logs/x",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.refused(50300)["code"], "unavailable");
        assert_eq!(answer.body["message"], "the store is unavailable; try again");
    }
}
