//! Budgets, rate limits and policies, on every route and with many clients at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use rungate_testkit::{Answer, Client};
use serde_json::{Value, json};

use super::{Stage, chat, streamed};

/// Clients that race for one budget.
const CLIENTS: usize = 200;

impl Stage {
    async fn make(&self, path: &str, body: &Value) -> Value {
        let answer = self.server.owner().post(path, body).await;
        assert!(answer.status.is_success(), "{path} {body}: {}", answer.text());
        answer.data()
    }

    async fn budget(&self, scope: Value, limit_nano_usd: &str, action: &str) -> Value {
        let body =
            json!({ "scope": scope, "limitNanoUsd": limit_nano_usd, "window": "total", "action": action });
        self.make("/api/v1/budgets", &body).await
    }

    fn agent_scope(&self) -> Value {
        json!({ "type": "agent", "id": self.tenant.agent["id"] })
    }

    async fn spent(&self, budget: &Value) -> (i64, i64) {
        let path = format!("/api/v1/budgets/{}", budget["id"].as_str().unwrap());
        let budget = self.server.owner().get(&path).await.data();
        let nanos = |name: &str| budget[name].as_str().unwrap().parse::<i64>().unwrap();
        (nanos("spentNanoUsd"), nanos("reservedNanoUsd"))
    }

    /// What the rows of all requests say that budgets count.
    pub(super) async fn charged(&self) -> i64 {
        let (mut charged, mut cursor) = (0, String::new());
        loop {
            let page = self.server.owner().get(&format!("/api/v1/requests?limit=200{cursor}")).await.data();
            for row in page["data"].as_array().unwrap() {
                let nanos = |name: &str| row[name].as_str().map(|text| text.parse::<i64>().unwrap());
                charged += nanos("costNanoUsd").or(nanos("reservedNanoUsd")).unwrap_or(0);
            }
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return charged,
            }
        }
    }
}

fn limited(stream: bool, max_tokens: u64) -> Value {
    let mut body = if stream { streamed("gpt-4o-mini") } else { chat("gpt-4o-mini") };
    body["max_tokens"] = json!(max_tokens);
    body
}

/// The code of an answer's error; `None` for a success.
fn code(answer: &Answer) -> Option<String> {
    (!answer.status.is_success()).then(|| answer.error_code())
}

#[tokio::test]
async fn w_049_a_budget_that_is_used_up_refuses_and_says_everything() {
    let stage = Stage::set().await;
    let budget = stage.budget(stage.agent_scope(), "0", "block_requests").await;
    let answer = stage.tenant.client().post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    assert_eq!((answer.status.as_u16(), answer.error_code()), (429, "budget_exhausted".to_owned()));
    let error = &answer.json()["error"];
    assert_eq!(error["type"], "insufficient_quota");
    assert_eq!(error["details"]["scope"], "agent");
    assert_eq!(error["details"]["scopeId"], stage.tenant.agent["id"]);
    assert_eq!((&error["details"]["limit"], &error["details"]["spent"]), (&json!("0"), &json!("0")));
    assert_eq!((&error["details"]["window"], &error["details"]["resetsAt"]), (&json!("total"), &Value::Null));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(answer.header("retry-after"), None, "a budget that never resets");
    let row = stage.row(answer.header("alephant-id").unwrap()).await;
    assert_eq!((&row["outcome"], &row["costNanoUsd"]), (&json!("refused"), &json!("0")));
    assert_eq!(stage.sim.stats().await["requests_total"], 0);
    // Raised, it is in force with the next request.
    let path = format!("/api/v1/budgets/{}", budget["id"].as_str().unwrap());
    let raised = json!({ "limitNanoUsd": "1000000000" }).to_string();
    assert!(stage.server.owner().send(Method::PATCH, &path, raised).await.status.is_success());
    let answer = stage.tenant.client().post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (spent, reserved) = stage.spent(&budget).await;
    assert_eq!((spent, reserved), (stage.charged().await, 0));
    assert!(spent > 0);
}

/// Sends until the budget is used up for this client; what it counted as answered.
async fn race(client: Client, number: usize, answered: Arc<AtomicU64>) {
    loop {
        let body = limited(number.is_multiple_of(3), 20 + (number as u64 * 7) % 60);
        let answer = client.post("/v1/chat/completions", &body).await;
        match code(&answer).as_deref() {
            None => drop(answered.fetch_add(1, Ordering::Relaxed)),
            Some("budget_reserved") => tokio::time::sleep(Duration::from_millis(20)).await,
            Some("budget_exhausted") => return,
            Some(other) => panic!("{other}: {}", answer.text()),
        }
    }
}

#[tokio::test]
async fn w_050_many_clients_never_exceed_a_budget_and_leave_less_than_one_request() {
    const LIMIT: i64 = 12_000_000;
    let stage = Stage::set().await;
    stage.direct("latency=5").await;
    let budget = stage.budget(stage.agent_scope(), &LIMIT.to_string(), "block_requests").await;
    let answered = Arc::new(AtomicU64::new(0));
    let clients =
        (0..CLIENTS).map(|number| tokio::spawn(race(stage.tenant.client(), number, Arc::clone(&answered))));
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let (spent, reserved) = stage.spent(&budget).await;
    assert_eq!((spent, reserved), (stage.charged().await, 0), "the book and the rows differ");
    assert!(spent <= LIMIT, "{spent} of {LIMIT} were spent");
    // The bound of the dearest request: its input and 79 tokens of output.
    let most = stage.most_reserved().await;
    assert!(LIMIT - spent < most, "{} were left, enough for a request of {most}", LIMIT - spent);
    println!("{} answers for {spent} of {LIMIT} nano-dollars", answered.load(Ordering::Relaxed));
    stage.audit().await;
}

impl Stage {
    /// The most that was reserved for any request.
    async fn most_reserved(&self) -> i64 {
        let rows = self.server.owner().get("/api/v1/requests?limit=200&outcome=succeeded").await.data();
        let reserved = rows["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|row| row["reservedNanoUsd"].as_str().map(|text| text.parse::<i64>().unwrap()));
        reserved.max().unwrap()
    }
}

#[tokio::test]
async fn w_051_clamp_lowers_the_output_and_says_so_and_an_unpriced_model_is_refused() {
    let stage = Stage::set().await;
    let clamp = stage.budget(stage.agent_scope(), "400000", "clamp").await;
    let answer = stage.tenant.client().post("/v1/chat/completions", &limited(false, 100_000)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let warning = answer.header("rungate-warning").unwrap();
    assert!(warning.contains("max_tokens_lowered;from=100000;to="), "{warning}");
    let (spent, _) = stage.spent(&clamp).await;
    assert!(spent <= 400_000);
    let answer = stage.tenant.client().post("/v1/chat/completions", &chat("no-such-model-has-a-price")).await;
    assert_eq!((answer.status.as_u16(), answer.error_code()), (403, "unpriced_model".to_owned()));
}

fn policy(rule: &str, config: &Value) -> Value {
    json!({ "name": rule, "type": rule, "config": config })
}

#[tokio::test]
async fn a_rate_limit_says_how_it_stands_and_a_policy_that_only_logs_changes_nothing() {
    let stage = Stage::set().await;
    let client = stage.tenant.client();
    let mut logged = policy("ip_allowlist", &json!({ "cidrs": ["203.0.113.0/24"] }));
    logged["mode"] = json!("log_only");
    stage.make("/api/v1/policies", &logged).await;
    let one = json!({ "requestsPerDay": 1, "per": "workspace" });
    stage.make("/api/v1/policies", &policy("rate_limit", &one)).await;
    let first = client.post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    assert_eq!((first.status.as_u16(), first.header("x-ratelimit-remaining")), (200, Some("0")));
    let row = stage.ended_row(first.header("alephant-id").unwrap()).await;
    assert!(row["decisions"].to_string().contains("ip_allowlist"), "{}", row["decisions"]);
    let refused = client.post("/v1/chat/completions", &chat("gpt-4o-mini")).await;
    assert_eq!((refused.status.as_u16(), refused.error_code()), (429, "rate_limit_exceeded".to_owned()));
    assert_eq!(refused.header("x-ratelimit-limit"), Some("1"));
    assert_eq!(refused.json()["error"]["details"]["unit"], "requests_per_day");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((86_000..=86_400).contains(&wait), "{wait}");
}

#[tokio::test]
async fn of_a_thousand_requests_at_once_a_limit_of_a_hundred_admits_a_hundred() {
    let stage = Stage::set().await;
    stage.make("/api/v1/policies", &policy("rate_limit", &json!({ "requestsPerMinute": 100 }))).await;
    let senders: Vec<_> = (0..1_000)
        .map(|_| {
            let client = stage.tenant.client();
            tokio::spawn(
                async move { code(&client.post("/v1/chat/completions", &chat("gpt-4o-mini")).await) },
            )
        })
        .collect();
    let mut admitted = 0;
    for sender in senders {
        match sender.await.unwrap().as_deref() {
            None => admitted += 1,
            Some(code) => assert_eq!(code, "rate_limit_exceeded"),
        }
    }
    assert_eq!(admitted, 100);
    assert_eq!(stage.sim.stats().await["requests_total"], 100);
}

#[tokio::test]
async fn what_a_filter_masks_neither_goes_upstream_nor_into_the_log() {
    let stage = Stage::set().await;
    let mask = json!({ "detectors": ["email"], "on": "request", "action": "redact" });
    stage.make("/api/v1/policies", &policy("content_filter", &mask)).await;
    let said = json!([{ "role": "user", "content": "mail zoe@example.com now" }]);
    let body = json!({ "model": "gpt-4o-mini", "messages": said });
    let answer = stage.tenant.client().post("/v1/chat/completions", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.header("alephant-id").unwrap();
    let row = stage.ended_row(id).await;
    assert!(row["decisions"].to_string().contains("content_filter"), "{}", row["decisions"]);
    let bodies = stage.server.owner().get(&format!("/api/v1/requests/{id}/bodies")).await.data();
    let sent = bodies["request"].as_str().unwrap();
    assert!(!sent.contains("zoe@example.com") && sent.contains("mail "), "{sent}");
    assert!(!row["previewIn"].as_str().unwrap().contains("zoe@"));

    // Refused by another filter, it is kept masked all the same.
    let mut refuse =
        policy("content_filter", &json!({ "detectors": ["email"], "on": "request", "action": "refuse" }));
    refuse["name"] = json!("refuses");
    stage.make("/api/v1/policies", &refuse).await;
    let answer = stage.tenant.client().post("/v1/chat/completions", &body).await;
    assert_eq!((answer.status.as_u16(), answer.error_code()), (403, "policy_denied".to_owned()));
    let id = answer.header("alephant-id").unwrap();
    let bodies = stage.server.owner().get(&format!("/api/v1/requests/{id}/bodies")).await.data();
    assert!(!bodies["request"].as_str().unwrap_or_default().contains("zoe@"), "{bodies}");
}

#[tokio::test]
async fn w_105_bad_policies_are_refused_with_their_place_and_drafts_wait_to_be_activated() {
    let stage = Stage::set().await;
    let owner = stage.server.owner();
    for (rule, config, field) in [
        ("rate_limit", json!({ "requestsPerMinute": -1 }), "config.requestsPerMinute"),
        ("rate_limit", json!({}), "config"),
        ("ip_allowlist", json!({ "cidrs": ["nowhere"] }), "config.cidrs"),
        (
            "content_filter",
            json!({ "detectors": [{ "name": "x", "regex": "(" }], "action": "flag" }),
            "config.detectors",
        ),
        ("action", json!({}), "type"),
        ("no_such_type", json!({}), "type"),
    ] {
        let answer = owner.post("/api/v1/policies", &policy(rule, &config)).await;
        assert_eq!(answer.status, 400, "{rule} {config}: {}", answer.text());
        let error = answer.json();
        let found = error["error"]["field"].as_str().unwrap_or_default();
        assert!(found == field || found.starts_with(&format!("{field}[")), "{rule} {config}: {found}");
    }
    // An agent by its external id; and a policy can be switched off although a model that it names is gone.
    let settings = json!({ "settings": { "modelAliases": { "fast": "openai/gpt-4o-mini" } } }).to_string();
    let workspaces = owner.get("/api/v1/workspaces").await.data();
    let workspace = format!("/api/v1/workspaces/{}", workspaces["data"][0]["id"].as_str().unwrap());
    let aliased = owner.send(Method::PATCH, &workspace, settings).await;
    assert!(aliased.status.is_success(), "{}", aliased.text());
    let mut named = policy("model_access", &json!({ "denyModels": ["fast"] }));
    named["target"] = json!({ "type": "agent", "id": stage.tenant.agent["externalId"] });
    let named = stage.make("/api/v1/policies", &named).await;
    assert_eq!(named["target"]["id"], stage.tenant.agent["id"]);
    let settings = json!({ "settings": { "modelAliases": {} } }).to_string();
    assert!(owner.send(Method::PATCH, &workspace, settings).await.status.is_success());
    let path = format!("/api/v1/policies/{}", named["id"].as_str().unwrap());
    let off = owner.send(Method::PATCH, &path, json!({ "enabled": false }).to_string()).await;
    assert_eq!(off.data()["enabled"], false, "{}", off.text());
    let mut draft = policy("ip_allowlist", &json!({ "cidrs": ["203.0.113.0/24"] }));
    draft["draft"] = json!(true);
    let draft = stage.make("/api/v1/policies", &draft).await;
    assert_eq!(draft["activeVersion"], Value::Null);
    let send = async || stage.tenant.client().post("/v1/chat/completions", &chat("gpt-4o-mini")).await.status;
    assert_eq!(send().await, 200);
    let path = format!("/api/v1/policies/{}", draft["id"].as_str().unwrap());
    let active = owner.post(&format!("{path}/activate"), &json!({ "version": 1 })).await;
    assert_eq!(active.data()["activeVersion"], 1, "{}", active.text());
    assert_eq!(send().await, 403);
    let wider = json!({ "config": { "cidrs": ["127.0.0.0/8"] } }).to_string();
    assert_eq!(owner.send(Method::PATCH, &path, wider).await.data()["activeVersion"], 2);
    assert_eq!(send().await, 200);
    let outdated = json!({ "enabled": false, "version": 1 }).to_string();
    assert_eq!(owner.send(Method::PATCH, &path, outdated).await.status, 409);
    assert_eq!(owner.get(&format!("{path}/versions")).await.data()["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_version_is_tried_on_the_requests_of_the_past() {
    let stage = Stage::set().await;
    let made =
        stage.make("/api/v1/policies", &policy("model_access", &json!({ "denyModels": ["o1"] }))).await;
    for (model, tokens) in [("gpt-4o-mini", 10), ("gpt-4o", 10), ("gpt-4o-mini", 900), ("o1", 10)] {
        let mut body = chat(model);
        body["max_tokens"] = json!(tokens);
        stage.tenant.client().post("/v1/chat/completions", &body).await;
    }
    let owner = stage.server.owner();
    let path = format!("/api/v1/policies/{}", made["id"].as_str().unwrap());
    let draft = json!({ "config": { "denyModels": ["gpt-4o"] }, "draft": true }).to_string();
    assert!(owner.send(Method::PATCH, &path, draft).await.status.is_success());
    let asked = json!({ "version": 2, "from": "2020-01-01T00:00:00Z" });
    let said = owner.post(&format!("{path}/replay"), &asked).await.data();
    assert_eq!(
        (&said["requests"], &said["same"], &said["newlyRefused"], &said["newlyAllowed"]),
        (&json!(4), &json!(2), &json!(1), &json!(1)),
        "{said}"
    );
    assert_eq!((&said["changes"][0]["change"], &said["nextFrom"]), (&json!("refused"), &json!(null)));
    // What asks for the output limit reads it off the bodies that are kept.
    let limits = policy("request_limits", &json!({ "maxOutputTokens": 5_000 }));
    let limits = stage.make("/api/v1/policies", &limits).await;
    let path = format!("/api/v1/policies/{}", limits["id"].as_str().unwrap());
    let draft = json!({ "config": { "maxOutputTokens": 100 }, "draft": true }).to_string();
    assert!(owner.send(Method::PATCH, &path, draft).await.status.is_success());
    let said = owner.post(&format!("{path}/replay"), &asked).await.data();
    assert_eq!((&said["newlyRefused"], &said["withoutBody"]), (&json!(1), &json!(0)), "{said}");
    let nothing = json!({ "version": 2, "from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z" });
    assert_eq!(owner.post(&format!("{path}/replay"), &nothing).await.data()["requests"], 0);
}
