//! The run API: registering, reporting, ending; what is tolerated and what is not.

use std::time::Duration;

use http::Method;
use rungate_testkit::{Answer, Client};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Stage, chat};

impl Stage {
    fn agent_id(&self) -> Value {
        self.tenant.agent["id"].clone()
    }

    pub(super) async fn registered(&self, more: &Value) -> Value {
        let mut body = json!({
            "agent_id": self.agent_id(), "timestamp": "2026-11-25T12:00:00.000Z", "system_prompt": "You are helpful.",
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = self.tenant.client().post("/v1/register-agent-run", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn tell(&self, body: &Value) -> Answer {
        self.tenant.client().post("/v1/event", body).await
    }

    pub(super) async fn told(&self, body: &Value) -> Value {
        let answer = self.tell(body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        answer.json()
    }
}

fn event(trace: &Value, kind: &str) -> Value {
    json!({
        "event_type": kind, "trace_id": trace, "timestamp": 1_795_449_912.345,
        "content": "{\"text\": \"hello\"}",
        "schema": "{\"type\": \"object\", \"properties\": {\"text\": {\"type\": \"string\"}}}",
    })
}

pub(super) fn refused(answer: &Answer) -> (u16, String) {
    let error = answer.json()["error"].clone();
    let code = error["code"].as_str().unwrap_or_default().to_owned();
    assert_eq!(answer.header("rungate-error-code"), Some(code.as_str()), "{error}");
    assert_eq!(code, code.to_uppercase());
    assert!(error["message"].is_string() && error["type"].is_string(), "{error}");
    (answer.status.as_u16(), code)
}

#[tokio::test]
async fn w_060_the_documented_calls_answer_the_documented_fields() {
    let stage = Stage::set().await;
    let run = stage.registered(&json!({})).await;
    let trace = run["trace_id"].clone();
    assert_eq!(Uuid::parse_str(trace.as_str().unwrap()).unwrap().get_version_num(), 7);
    assert_eq!(run["run_id"], trace, "without a run id the run is called like its trace");
    assert!(run["timestamp"].as_str().unwrap().ends_with('Z'));
    for kind in ["user", "model_input", "model_output", "tool", "environment", "memory", "system", "error"] {
        let told = stage.told(&event(&trace, kind)).await;
        assert!(Uuid::parse_str(told["event_id"].as_str().unwrap()).is_ok());
        assert!(told["timestamp"].as_f64().unwrap() > 1.7e9, "{told}");
    }
    let end = json!({ "trace_id": trace, "status": "completed" });
    let ended = stage.tenant.client().post("/v1/end-agent-run", &end).await;
    assert_eq!(ended.status, 200, "{}", ended.text());
    assert_eq!(ended.json()["totals"]["events"], 8);
    let run = stage.server.owner().get(&format!("/api/v1/runs/{}", trace.as_str().unwrap())).await.data();
    assert_eq!((&run["status"], &run["events"], &run["traceId"]), (&json!("completed"), &json!(8), &trace));
    assert_eq!(run["systemPrompt"], "You are helpful.");
}

#[tokio::test]
async fn w_061_agents_are_named_by_uuid_or_external_id() {
    let stage = Stage::set().await;
    for id in [stage.agent_id(), stage.tenant.agent["externalId"].clone()] {
        stage.registered(&json!({ "agent_id": id })).await;
    }
    let client = stage.tenant.client();
    for bad in [json!("a"), json!("has space"), json!(7), json!("018f7f83-2a7a-7f1a-9b2f-2f2b21e8a00")] {
        let body = json!({ "agent_id": bad, "timestamp": "2026-11-25T12:00:00Z", "system_prompt": "" });
        let answer = client.post("/v1/register-agent-run", &body).await;
        if bad == json!("018f7f83-2a7a-7f1a-9b2f-2f2b21e8a00") {
            // Well formed, and another agent than the key's.
            assert_eq!(refused(&answer), (403, "AGENT_MISMATCH".to_owned()));
            continue;
        }
        assert_eq!(refused(&answer), (400, "INVALID_AGENT_ID".to_owned()), "{bad}");
        let error = &answer.json()["error"];
        assert_eq!(
            (&error["message"], &error["type"]),
            (&json!("Invalid agent_id format"), &json!("validation_error"))
        );
    }
    // A key of nobody's may name an agent that nobody has registered; it is there afterwards.
    let body = json!({ "agent_id": "agt_newcomer_1", "system_prompt": "" });
    let answer = stage.tenant.open_client().post("/v1/register-agent-run", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for _ in 0..100 {
        let agents = stage.server.owner().get("/api/v1/agents?search=newcomer").await.data();
        if agents["data"][0]["externalId"] == "agt_newcomer_1" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the agent is not there");
}

#[tokio::test]
async fn w_062_what_is_no_trace_here_is_not_found_and_a_missing_one_is_said() {
    let stage = Stage::set().await;
    let trace = stage.registered(&json!({})).await["trace_id"].clone();
    for unknown in [json!("018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001"), json!("nonsense"), json!(7)] {
        let answer = stage.tell(&event(&unknown, "user")).await;
        assert_eq!(refused(&answer), (404, "TRACE_NOT_FOUND".to_owned()), "{unknown}");
    }
    let mut without = event(&trace, "user");
    without.as_object_mut().unwrap().remove("trace_id");
    assert_eq!(refused(&stage.tell(&without).await), (400, "MISSING_FIELD".to_owned()));
    // Another workspace's.
    let other =
        stage.server.owner().post("/api/v1/workspaces", &json!({ "name": "Other", "slug": "other" })).await;
    if other.status == 201 {
        let token = other.data()["token"].as_str().map(str::to_owned);
        if let Some(token) = token {
            let client = Client::new(&stage.server.origin).bearer(&token);
            let answer = client.post("/v1/event", &event(&trace, "user")).await;
            assert_eq!(refused(&answer), (404, "TRACE_NOT_FOUND".to_owned()));
        }
    }
}

#[tokio::test]
async fn w_063_a_trace_works_after_a_kill_and_keeps_its_order() {
    let mut stage = Stage::set().await;
    let trace =
        stage.registered(&json!({ "run_id": "run-1", "session_id": "s-1" })).await["trace_id"].clone();
    let first = stage.told(&event(&trace, "user")).await;
    let mut named = event(&trace, "tool");
    named["event_id"] = json!("018f7f83-2a7a-7f1a-9b2f-2f2b21e8a0aa");
    let second = stage.told(&named).await;
    stage.server.kill().await;
    stage.server.restart().await;
    let again = stage.told(&named).await;
    assert_eq!(again, second, "the same event is answered as before the kill");
    named["content"] = json!("{\"text\": \"other\"}");
    assert_eq!(refused(&stage.tell(&named).await), (409, "EVENT_ID_CONFLICT".to_owned()));
    stage.told(&event(&trace, "error")).await;
    let events = stage.server.owner().get("/api/v1/runs/run-1/events").await.data();
    let types: Vec<_> =
        events["data"].as_array().unwrap().iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["user", "tool", "error"]);
    assert_eq!(events["data"][0]["id"], first["event_id"]);
    assert_eq!(events["data"][0]["content"], "{\"text\": \"hello\"}");
    assert_eq!(events["data"][0]["schemaValid"], true);
}

#[tokio::test]
async fn w_064_one_run_id_is_one_trace_and_none_are_two() {
    let stage = Stage::set().await;
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = stage.tenant.client();
        let body = json!({ "agent_id": stage.agent_id(), "system_prompt": "", "run_id": "same" });
        asked.spawn(
            async move { client.post("/v1/register-agent-run", &body).await.json()["trace_id"].clone() },
        );
    }
    let first = asked.join_next().await.unwrap().unwrap();
    while let Some(trace) = asked.join_next().await {
        assert_eq!(trace.unwrap(), first);
    }
    let (one, two) = (stage.registered(&json!({})).await, stage.registered(&json!({})).await);
    assert_ne!(one["trace_id"], two["trace_id"]);
    // A run that its first request made is registered later, and keeps its requests.
    let client = stage.tenant.client().with("alephant-run-id", "from-traffic");
    assert_eq!(client.post("/v1/chat/completions", &chat("gpt-4o-mini")).await.status, 200);
    let trace = stage.registered(&json!({ "run_id": "from-traffic" })).await["trace_id"].clone();
    let run = stage.server.owner().get("/api/v1/runs/from-traffic").await.data();
    assert_eq!((&run["requests"], &run["traceId"]), (&json!(1), &trace));
}

#[tokio::test]
async fn w_065_w_066_what_is_tolerated_is_kept_and_flagged_and_refused_when_strict() {
    let stage = Stage::set().await;
    let trace =
        stage.registered(&json!({ "timestamp": 1_795_449_912.5, "run_id": "loose" })).await["trace_id"]
            .clone();
    let with = |name: &str, value: Value| {
        let mut body = event(&trace, "tool");
        body[name] = value;
        body
    };
    let mut by_type = with("type", json!("user"));
    by_type.as_object_mut().unwrap().remove("event_type");
    let tolerated = [
        with("content", json!({ "text": "an object" })),
        with("content", json!("no JSON at all {")),
        with("content", json!("[1, 2]")),
        with("timestamp", json!("2026-11-25T12:00:00")),
        with("timestamp", Value::Null),
        with("schema", Value::Null),
        with("schema", json!({ "type": "object" })),
        with("content", json!("{\"text\": 7}")),
        by_type,
    ];
    for body in &tolerated {
        let told = stage.told(body).await;
        let is_mismatch = body["content"] == "{\"text\": 7}";
        assert_eq!(told["warnings"] == json!(["content_schema_mismatch"]), is_mismatch, "{body}: {told}");
    }
    let events = stage.server.owner().get("/api/v1/runs/loose/events").await.data();
    assert_eq!(events["data"][1]["content"], "{\"text\":\"no JSON at all {\"}");
    // Never tolerated.
    let deep = format!("{}1{}", "{\"a\":".repeat(65), "}".repeat(65));
    for (body, expected) in [
        (with("event_type", json!("action_check")), (400, "INVALID_EVENT_TYPE")),
        (with("content", json!(deep)), (400, "INVALID_CONTENT")),
        (with("content", Value::Null), (400, "MISSING_FIELD")),
        (
            with("content", json!(format!("{{\"a\": \"{}\"}}", "x".repeat(1 << 20)))),
            (413, "PAYLOAD_TOO_LARGE"),
        ),
        (with("schema", json!("{")), (400, "INVALID_SCHEMA")),
        (with("timestamp", json!("soon")), (400, "INVALID_TIMESTAMP")),
        (with("event_id", json!("x")), (400, "INVALID_FIELD")),
        (with("step_id", json!("a b")), (400, "INVALID_FIELD")),
        (with("run_id", json!("another")), (400, "INVALID_FIELD")),
        (with("properties", json!({ "a": 1 })), (400, "INVALID_FIELD")),
    ] {
        let answer = stage.tell(&body).await;
        assert_eq!(refused(&answer), (expected.0, expected.1.to_owned()), "{}", answer.text());
    }
    // A schema that is elsewhere is not fetched.
    stage.told(&with("schema", json!("{\"$ref\": \"http://127.0.0.1:9/x.json\"}"))).await;
    let answer = stage.tenant.client().send(Method::POST, "/v1/event", "{").await;
    assert_eq!(refused(&answer), (400, "INVALID_JSON".to_owned()));

    let workspaces = stage.server.owner().get("/api/v1/workspaces").await.data();
    let path = format!("/api/v1/workspaces/{}", workspaces["data"][0]["id"].as_str().unwrap());
    let strict = json!({ "settings": { "runApi": { "strict": true } } }).to_string();
    assert!(stage.server.owner().send(Method::PATCH, &path, strict).await.status.is_success());
    for body in &tolerated {
        let answer = stage.tell(body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    stage.told(&event(&trace, "user")).await;
    let loose = json!({ "agent_id": stage.tenant.agent["externalId"], "timestamp": "2026-11-25T12:00:00Z", "system_prompt": "" });
    let answer = stage.tenant.client().post("/v1/register-agent-run", &loose).await;
    assert_eq!(refused(&answer), (400, "INVALID_AGENT_ID".to_owned()));
}

#[tokio::test]
async fn w_067_batches_keep_their_order_and_items_stand_alone() {
    let stage = Stage::set().await;
    let trace = stage.registered(&json!({ "run_id": "batch" })).await["trace_id"].clone();
    let mut own = event(&trace, "user");
    own["event_id"] = json!("018f7f83-2a7a-7f1a-9b2f-2f2b21e8a0aa");
    let mut bad = event(&trace, "tool");
    bad["event_type"] = json!("nothing");
    let mut foreign = event(&json!("018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001"), "tool");
    foreign["content"] = json!("{}");
    let batch = json!([own, bad, foreign, event(&trace, "error"), own]);
    let answer = stage.told(&batch).await;
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(3), &json!(2)));
    let codes: Vec<_> =
        answer["results"].as_array().unwrap().iter().map(|it| it["error"]["code"].clone()).collect();
    assert_eq!(
        codes,
        [Value::Null, json!("INVALID_EVENT_TYPE"), json!("TRACE_NOT_FOUND"), Value::Null, Value::Null]
    );
    assert_eq!(answer["results"][0]["event_id"], answer["results"][4]["event_id"]);
    let events = stage.server.owner().get("/api/v1/runs/batch/events").await.data();
    assert_eq!(events["data"].as_array().unwrap().len(), 2, "a repeated id is kept once");
    // The trace once for all.
    let mut item = event(&trace, "user");
    item.as_object_mut().unwrap().remove("trace_id");
    let all = json!({ "trace_id": trace, "events": [item, item] });
    assert_eq!(stage.told(&all).await["accepted"], 2);
    let many = json!(vec![event(&trace, "user"); 101]);
    assert_eq!(refused(&stage.tell(&many).await), (400, "BATCH_TOO_LARGE".to_owned()));
    let none = stage.tell(&json!([bad])).await;
    assert_eq!((none.status.as_u16(), &none.json()["accepted"]), (400, &json!(0)), "{}", none.text());
}

#[tokio::test]
async fn w_071_an_ended_run_keeps_what_comes_late_and_ends_once() {
    let stage = Stage::set().await;
    let trace = stage.registered(&json!({ "run_id": "over" })).await["trace_id"].clone();
    let end = |status: &str| json!({ "run_id": "over", "status": status, "reason": "done" });
    let client = stage.tenant.client();
    let first = client.post("/v1/end-agent-run", &end("failed")).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let again = client.post("/v1/end-agent-run", &end("failed")).await;
    assert_eq!(
        (again.status.as_u16(), again.json()["timestamp"].clone()),
        (200, first.json()["timestamp"].clone())
    );
    let other = client.post("/v1/end-agent-run", &end("completed")).await;
    assert_eq!(refused(&other), (409, "RUN_ALREADY_ENDED".to_owned()));
    stage.told(&event(&trace, "user")).await;
    let events = stage.server.owner().get("/api/v1/runs/over/events").await.data();
    assert_eq!(events["data"][0]["afterEnd"], true);
    let runs = stage.server.owner().get("/api/v1/runs?status=failed").await.data();
    assert_eq!((&runs["data"][0]["runId"], &runs["data"][0]["endedAt"].is_string()), (&json!("over"), &true));
    let unknown = client.post("/v1/end-agent-run", &json!({ "run_id": "nobody", "status": "failed" })).await;
    assert_eq!(refused(&unknown), (404, "NOT_FOUND".to_owned()));
    let wrong = client.post("/v1/end-agent-run", &json!({ "trace_id": trace, "status": "over" })).await;
    assert_eq!(refused(&wrong), (400, "INVALID_FIELD".to_owned()));
}

#[tokio::test]
async fn w_072_who_may_ask_and_how_often() {
    let stage = Stage::set().await;
    let body = json!({ "agent_id": stage.agent_id(), "system_prompt": "" });
    let post = |client: Client| {
        let body = body.clone();
        async move { client.post("/v1/register-agent-run", &body).await }
    };
    let nobody = post(Client::new(&stage.server.origin).bearer("vk-agent-nobody")).await;
    assert_eq!(refused(&nobody), (401, "INVALID_API_KEY".to_owned()));
    let wrong = stage.tenant.client().get("/v1/event").await;
    assert_eq!(refused(&wrong), (405, "METHOD_NOT_ALLOWED".to_owned()));
    let text = stage.tenant.client().with("content-type", "text/plain");
    assert_eq!(
        refused(&text.send(Method::POST, "/v1/event", "x").await),
        (415, "UNSUPPORTED_MEDIA_TYPE".to_owned())
    );
    let read = json!({ "name": "reader", "scopes": ["read"] });
    let token =
        stage.server.owner().post("/api/v1/pats", &read).await.json()["token"].as_str().unwrap().to_owned();
    let reader = post(Client::new(&stage.server.origin).bearer(&token)).await;
    assert_eq!(refused(&reader), (403, "INSUFFICIENT_PERMISSIONS".to_owned()));
    assert_eq!(post(stage.server.owner()).await.status, 200, "a token that may write");

    let key = json!({ "label": "slow", "runApiRpm": 3 });
    let key = stage.server.owner().post("/api/v1/virtual-keys", &key).await.data();
    let slow = Client::new(&stage.server.origin).bearer(key["fullToken"].as_str().unwrap());
    for _ in 0..3 {
        assert_eq!(post(slow.clone()).await.status, 200);
    }
    let refused_now = post(slow.clone()).await;
    assert_eq!(refused(&refused_now), (429, "RATE_LIMIT_EXCEEDED".to_owned()));
    assert!(refused_now.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    // Apart from the limits of calls to models.
    assert_eq!(slow.post("/v1/chat/completions", &chat("openai/gpt-4o-mini")).await.status, 200);
}

#[tokio::test]
async fn requests_and_events_of_a_run_stand_on_one_line_of_time_and_in_one_tree() {
    let stage = Stage::set().await;
    let trace = stage.registered(&json!({ "run_id": "line", "name": "A task" })).await["trace_id"].clone();
    let client = stage.tenant.client().with("alephant-run-id", "line").with("alephant-step-id", "s1");
    let mut expected = vec![("run".to_owned(), "A task".to_owned())];
    for turn in 0..4 {
        let mut told = event(&trace, "user");
        told["step_id"] = json!(format!("e{turn}"));
        told["parent_step_id"] = json!("s1");
        stage.told(&told).await;
        expected.push(("event".to_owned(), "user".to_owned()));
        assert_eq!(client.post("/v1/chat/completions", &chat("gpt-4o-mini")).await.status, 200);
        expected.push(("request".to_owned(), "chat gpt-4o-mini".to_owned()));
    }
    let owner = stage.server.owner();
    let ended = owner.post("/api/v1/runs/line/end", &json!({ "status": "cancelled" })).await;
    assert_eq!((ended.status.as_u16(), &ended.data()["status"]), (200, &json!("cancelled")));
    expected.push(("run".to_owned(), "ended".to_owned()));
    let (mut found, mut path) = (Vec::new(), "/api/v1/runs/line/timeline?limit=3".to_owned());
    loop {
        let page = owner.get(&path).await.data();
        let entries = page["data"].as_array().unwrap().clone();
        assert!(entries.len() <= 3);
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        found.extend(entries.iter().map(|entry| (text(entry, "kind"), text(entry, "title"))));
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/runs/line/timeline?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(found, expected);
    let run = owner.get("/api/v1/runs/line").await.data();
    let step = &run["steps"][0];
    assert_eq!((&step["stepId"], &step["requests"]), (&json!("s1"), &json!(4)), "{run}");
    assert_eq!(step["children"].as_array().unwrap().len(), 4);
    assert_eq!((&step["children"][0]["stepId"], &step["children"][0]["events"]), (&json!("e0"), &json!(1)));
}
