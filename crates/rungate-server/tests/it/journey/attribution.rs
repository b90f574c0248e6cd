//! Who made a request, and what it belongs to.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Stage, chat};

#[tokio::test]
async fn agents_are_bound_verified_reported_or_derived() {
    let stage = Stage::set().await;
    let path = "/v1/chat/completions";
    let body = chat("openai/gpt-4o-mini");
    let external = stage.tenant.agent["externalId"].as_str().unwrap();
    let row = async |client: rungate_testkit::Client| {
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        stage.row(answer.header("alephant-id").unwrap()).await
    };
    let derived = row(stage.tenant.open_client()).await;
    assert_eq!(derived["agentTrust"], "system_derived");
    assert!(derived["agentExternalId"].as_str().unwrap().starts_with("vk:"));
    let verified = row(stage.tenant.open_client().with("x-alephant-agent", external)).await;
    assert_eq!(
        (&verified["agentTrust"], &verified["agentId"]),
        (&json!("registry_verified"), &stage.tenant.agent["id"])
    );
    let reported = row(stage.tenant.open_client().with("alephant-agent-id", "agt_new")).await;
    assert_eq!(
        (reported["agentTrust"].as_str(), reported["agentId"].is_null()),
        (Some("self_reported"), true)
    );

    // It is remembered off the path of the request.
    for _ in 0..100 {
        let known = stage.server.owner().get("/api/v1/agents/agt_new").await;
        if known.status == 200 {
            assert_eq!(known.data()["source"], "self_reported");
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the agent is not remembered");
}

#[tokio::test]
async fn self_reported_agents_are_capped_and_can_be_forbidden() {
    let stage = Stage::set().await;
    let owner = stage.server.owner();
    let workspace =
        owner.get("/api/v1/workspaces").await.data()["data"][0]["id"].as_str().unwrap().to_owned();
    let settings = async |settings: Value| {
        let body = json!({ "settings": settings }).to_string();
        let answer = owner.send(http::Method::PATCH, &format!("/api/v1/workspaces/{workspace}"), body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let send = async |agent: &str| {
        let client = stage.tenant.open_client().with("alephant-agent-id", agent);
        client.post("/v1/chat/completions", &chat("openai/gpt-4o-mini")).await
    };
    settings(json!({ "maxSelfReportedAgents": 2 })).await;
    for number in 0..5 {
        assert_eq!(send(&format!("agt_n{number}")).await.status, 200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let known = owner.get("/api/v1/agents?search=agt_n").await.data();
    assert_eq!(known["total"], 2, "{known}");
    settings(json!({ "selfReportedAgents": "forbid" })).await;
    assert_eq!(send("agt_other").await.error_code(), "agent_unknown");
}

#[tokio::test]
async fn w_104_runs_sessions_and_properties_are_made_from_traffic() {
    let stage = Stage::set().await;
    let client = stage
        .tenant
        .client()
        .with("alephant-session-id", "sess_1")
        .with("alephant-session-name", "Ticket 7")
        .with("alephant-property-workflow", "triage");
    for run in ["run_a", "run_a", "run_b"] {
        let answer = client
            .clone()
            .with("alephant-run-id", run)
            .post("/v1/chat/completions", &chat("gpt-4o-mini"))
            .await;
        assert_eq!(answer.status, 200);
    }
    let owner = stage.server.owner();
    let rows = owner.get("/api/v1/requests?property.workflow=triage&count=true").await.data();
    assert_eq!(rows["total"], 3);
    let sum = |rows: &Value| -> i64 {
        let costs = rows["data"].as_array().unwrap().iter();
        costs.map(|row| row["costNanoUsd"].as_str().unwrap().parse::<i64>().unwrap()).sum()
    };
    let session = owner.get("/api/v1/sessions/sess_1").await.data();
    assert_eq!(
        (&session["runs"], &session["requests"], &session["name"]),
        (&json!(2), &json!(3), &json!("Ticket 7"))
    );
    assert_eq!(session["costNanoUsd"], sum(&rows).to_string());
    let of_run = owner.get("/api/v1/requests?runId=run_a").await.data();
    let run = owner.get("/api/v1/runs/run_a").await.data();
    assert_eq!((&run["requests"], &run["costNanoUsd"]), (&json!(2), &json!(sum(&of_run).to_string())));
    let timeline = owner.get("/api/v1/runs/run_a/timeline").await.data();
    assert_eq!(timeline["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn bodies_are_kept_left_out_or_redacted() {
    let stage = Stage::set().await;
    let owner = stage.server.owner();
    let path = "/v1/chat/completions";
    let mut body = chat("gpt-4o-mini");
    body["messages"][0]["content"] = json!("Write to zoe@example.com please");
    let bodies = async |client: rungate_testkit::Client| {
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let id = answer.header("alephant-id").unwrap();
        let row = stage.row(id).await;
        (owner.get(&format!("/api/v1/requests/{id}/bodies")).await.data(), row, answer.text())
    };
    let (full, row, answer) = bodies(stage.tenant.client()).await;
    assert_eq!(full["request"], body.to_string());
    assert_eq!(full["response"], answer);
    assert_eq!(row["bodies"], json!({ "request": true, "response": true }));

    let (omitted, row, _) = bodies(stage.tenant.client().with("alephant-omit-request", "true")).await;
    assert!(omitted["request"].is_null() && omitted["response"].is_string());
    assert!(!row.to_string().contains("zoe@"), "the preview is part of the body");

    let agent = json!({ "type": "ai_agent", "name": "Quiet", "masterKeyId": stage.tenant.openai, "bodies": "redacted" });
    let agent = owner.post("/api/v1/agents", &agent).await.data();
    let key = agent["virtualKey"]["fullToken"].as_str().unwrap();
    let (redacted, row, _) = bodies(stage.server.client().bearer(key)).await;
    assert!(redacted["request"].as_str().unwrap().contains("Write to [redacted] please"));
    assert_eq!(redacted["redacted"], true);
    assert!(!row.to_string().contains("zoe@"));
}
