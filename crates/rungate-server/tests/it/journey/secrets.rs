//! No secret is left lying about: not in logs, not in files, not in answers.

use std::path::Path;

use http::Method;
use rungate_testkit::{OWNER_TOKEN, PROVIDER_SECRET};
use serde_json::json;

use super::{Stage, chat, streamed};

#[tokio::test]
async fn no_secret_stands_in_any_file_log_line_or_answer() {
    let mut stage = Stage::set().await;
    let owner = stage.server.owner();
    let mut answers = String::new();
    for key in [&stage.tenant.key, &stage.tenant.open_key] {
        let client = stage.server.client().bearer(key);
        for body in
            [chat("openai/gpt-4o-mini"), streamed("openai/gpt-4o-mini"), chat("openai/gpt-4o-mini+error=401")]
        {
            answers.push_str(&client.post("/v1/chat/completions", &body).await.text());
        }
        answers.push_str(&client.post("/v1/messages", &chat("anthropic/claude-sonnet-4-5")).await.text());
    }
    // The simulated provider repeats a key it refuses, as real ones do.
    let echoing = json!({
        "name": "echo", "provider": "openai", "baseUrl": stage.sim.base_url(), "secret": "sk-invalid-0123456789abcdef",
    });
    let echoing = owner.post("/api/v1/provider-keys", &echoing).await;
    answers.push_str(&echoing.text());
    let key = json!({ "label": "echo", "masterKeyId": echoing.data()["id"] });
    let key = owner.post("/api/v1/virtual-keys", &key).await.data()["fullToken"].as_str().unwrap().to_owned();
    let refused = stage.server.client().bearer(&key).post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    assert_eq!(refused.error_code(), "provider_auth_failed");
    answers.push_str(&refused.text());
    stage.server.client().bearer("vk-wrong-but-secret-0123456789").get("/v1/models").await;
    let pat = owner.post("/api/v1/pats", &json!({ "name": "ci", "scopes": ["read"] })).await;
    let pat = pat.json()["token"].as_str().unwrap().to_owned();
    for path in ["provider-keys", "virtual-keys", "agents", "pats", "requests", "workspaces"] {
        answers.push_str(&owner.get(&format!("/api/v1/{path}")).await.text());
    }
    answers.push_str(&stage.server.client().get("/metrics").await.text());
    let rotated = owner
        .send(
            Method::POST,
            &format!("/api/v1/provider-keys/{}/rotate", stage.tenant.openai),
            json!({ "secret": "sk-rotated-0123456789abcdef" }).to_string(),
        )
        .await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    answers.push_str(&rotated.text());

    let secrets = [
        PROVIDER_SECRET,
        "sk-invalid-0123456789abcdef",
        "sk-rotated-0123456789abcdef",
        "vk-wrong-but-secret-0123456789",
        OWNER_TOKEN,
        &stage.tenant.key,
        &stage.tenant.open_key,
        &key,
        &pat,
    ];
    let look = |place: &str, bytes: &[u8]| {
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} stands in {place}");
        }
    };
    look("an answer", answers.as_bytes());
    // While it runs, killed, and stopped in order: what is on disk differs.
    walk(&stage.server.data(), &look);
    stage.server.kill().await;
    walk(&stage.server.data(), &look);
    stage.server.restart().await;
    assert_eq!(stage.server.stop().await, Some(0));
    walk(&stage.server.data(), &look);
    look("the log", stage.server.log().as_bytes());
}

pub(super) fn walk(folder: &Path, look: &impl Fn(&str, &[u8])) {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), look);
        } else {
            // A file may go while we look: the store tidies up behind itself.
            if let Ok(bytes) = std::fs::read(entry.path()) {
                look(&entry.path().display().to_string(), &bytes);
                files += 1;
            }
        }
    }
    assert!(files > 0 || folder.ends_with("bodies"), "{} is empty", folder.display());
}
