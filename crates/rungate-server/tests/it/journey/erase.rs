//! What a user said is gone from every file, and what it cost is still there.

use rungate_testkit::Client;
use serde_json::{Value, json};

use super::Stage;
use super::secrets::walk;

const SECRET: &str = "zanzibar-clove-harvest";

fn said() -> Value {
    let content = format!("My secret is {SECRET}. Repeat it.");
    json!({ "model": "openai/gpt-4o-mini", "messages": [{ "role": "user", "content": content }] })
}

fn client_of(stage: &Stage, user: &str) -> Client {
    let client = stage.server.client().bearer(&stage.tenant.key);
    client.with("alephant-run-id", &format!("run-{user}")).with("helicone-user-id", user)
}

#[tokio::test]
async fn what_a_user_said_is_in_no_file_any_more() {
    let mut stage = Stage::set().await;
    let owner = stage.server.owner();
    let mut ids = Vec::new();
    for _ in 0..5 {
        let answer = client_of(&stage, "anna").post("/v1/chat/completions", &said()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        ids.push(answer.header("alephant-id").unwrap().to_owned());
    }
    let other =
        client_of(&stage, "bert").post("/v1/chat/completions", &super::chat("openai/gpt-4o-mini")).await;
    let other = other.header("alephant-id").unwrap().to_owned();
    let before = stage.row(&ids[0]).await;

    let erased = owner.post("/api/v1/erasures", &json!({ "userId": "anna" })).await;
    assert_eq!(erased.status, 200, "{}", erased.text());
    assert_eq!(
        erased.data(),
        json!({ "requests": 5, "bodies": 10, "previews": 10, "openRequests": 0, "trailEntries": 0 })
    );
    for id in &ids {
        let row = stage.row(id).await;
        assert_eq!(row["costNanoUsd"], before["costNanoUsd"]);
        assert_eq!(row["usage"], before["usage"]);
        assert_eq!(row["runId"], "run-anna");
    }
    let bodies = owner.get(&format!("/api/v1/requests/{other}/bodies")).await;
    assert!(bodies.text().contains("Say something nice."), "{}", bodies.text());

    let look = |place: &str, bytes: &[u8]| {
        assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "it stands in {place}");
    };
    walk(&stage.server.data(), &look);
    stage.server.kill().await;
    stage.server.restart().await;
    walk(&stage.server.data(), &look);
    assert_eq!(stage.row(&ids[4]).await["costNanoUsd"], before["costNanoUsd"]);
    let next = client_of(&stage, "anna").post("/v1/chat/completions", &said()).await;
    assert_eq!(stage.ended_row(next.header("alephant-id").unwrap()).await["outcome"], "succeeded");
    stage.audit().await;
}

#[tokio::test]
async fn an_erasure_needs_one_subject_and_an_admin() {
    let stage = Stage::set().await;
    let owner = stage.server.owner();
    for body in
        [json!({}), json!({ "userId": "a", "runId": "b" }), json!({ "userId": "" }), json!({ "user": "a" })]
    {
        let refused = owner.post("/api/v1/erasures", &body).await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.text());
    }
    let nobody = owner.post("/api/v1/erasures", &json!({ "sessionId": "nobody" })).await;
    assert_eq!(nobody.data()["requests"], 0);
    let pat = owner.post("/api/v1/pats", &json!({ "name": "ci", "scopes": ["write"] })).await;
    let pat = pat.json()["token"].as_str().unwrap().to_owned();
    let client = stage.server.client().bearer(&pat);
    assert_eq!(client.post("/api/v1/erasures", &json!({ "userId": "a" })).await.status, 403);
}
