//! Every route against every control: no route goes around one. The table of `docs/controls.md` is made from what is shown here.

use std::fmt::Write as _;
use std::time::Duration;

use http::Method;
use rungate_core::operation::Operation;
use rungate_core::policy::rule_types;
use rungate_gateway::route::{self, Route};
use rungate_testkit::{Answer, Client};
use serde_json::{Value, json};

use super::Stage;

const BOUNDARY: &str = "multipart/form-data; boundary=b";
/// A model that the simulated provider serves and that no catalogue has a price of.
const UNPRICED: &str = "nobody-has-priced-this";

const COSTS_NOTHING: &str = "costs nothing";

/// A body around the name of a model.
type Around = fn(&str) -> String;

/// A route, and a request of it that nothing but the control in question stops.
struct Row {
    method: Method,
    path: &'static str,
    /// The model and how the rest of the body goes on; none where the route takes no body.
    body: Option<(&'static str, Around)>,
    is_multipart: bool,
}

fn rows() -> Vec<Row> {
    fn chat(model: &str) -> String {
        let said = json!([{ "role": "user", "content": "mail zoe@example.com" }]);
        json!({ "model": model, "messages": said, "max_tokens": 9 }).to_string()
    }
    fn streamed(model: &str) -> String {
        let mut body: Value = serde_json::from_str(&chat(model)).unwrap();
        body["stream"] = json!(true);
        body.to_string()
    }
    fn prompt(model: &str) -> String {
        json!({ "model": model, "prompt": "mail zoe@example.com", "max_tokens": 9 }).to_string()
    }
    fn input(model: &str) -> String {
        json!({ "model": model, "input": "mail zoe@example.com" }).to_string()
    }
    fn response(model: &str) -> String {
        json!({ "model": model, "input": "mail zoe@example.com", "max_output_tokens": 16 }).to_string()
    }
    fn picture(model: &str) -> String {
        json!({ "model": model, "prompt": "mail zoe@example.com" }).to_string()
    }
    fn speech(model: &str) -> String {
        json!({ "model": model, "input": "mail zoe@example.com", "voice": "alloy" }).to_string()
    }
    fn form(model: &str) -> String {
        let part = |name: &str, value: &str| {
            format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let file = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\
                    content-type: audio/wav\r\n\r\nRIFF\r\n";
        let image = "--b\r\ncontent-disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\
                     content-type: image/png\r\n\r\nPNG\r\n";
        format!("{}{}{file}{image}--b--\r\n", part("model", model), part("prompt", "mail zoe@example.com"))
    }
    let post = |path, model, body: Around| Row {
        method: Method::POST,
        path,
        body: Some((model, body)),
        is_multipart: false,
    };
    let forms = |path, model| Row { is_multipart: true, ..post(path, model, form) };
    let bare = |method, path| Row { method, path, body: None, is_multipart: false };
    vec![
        post("/v1/chat/completions", "gpt-4o-mini", chat),
        post("/v1/chat/completions", "gpt-4o-mini", streamed),
        post("/v1/completions", "gpt-3.5-turbo-instruct", prompt),
        post("/v1/responses", "gpt-4o-mini", response),
        bare(Method::GET, "/v1/responses/{id}"),
        bare(Method::GET, "/v1/responses/{id}/input_items"),
        bare(Method::POST, "/v1/responses/{id}/cancel"),
        bare(Method::DELETE, "/v1/responses/{id}"),
        post("/v1/messages", "claude-sonnet-4-5", chat),
        post("/v1/messages/count_tokens", "claude-sonnet-4-5", chat),
        post("/v1/embeddings", "text-embedding-3-small", input),
        post("/v1/moderations", "omni-moderation-latest", input),
        post("/v1/images/generations", "dall-e-3", picture),
        forms("/v1/images/edits", "gpt-image-1"),
        forms("/v1/images/variations", "dall-e-2"),
        post("/v1/audio/speech", "tts-1", speech),
        forms("/v1/audio/transcriptions", "whisper-1"),
        forms("/v1/audio/translations", "whisper-1"),
    ]
}

impl Row {
    fn name(&self) -> String {
        let is_stream = self.body.is_some_and(|(model, body)| body(model).contains("\"stream\":true"));
        format!("`{} {}`{}", self.method, self.path, if is_stream { " (stream)" } else { "" })
    }

    async fn send(&self, client: &Client, response: &str, model: Option<&str>) -> Answer {
        let path = self.path.replace("{id}", response);
        let Some((own, body)) = self.body else {
            return client.send(self.method.clone(), &path, "").await;
        };
        let body = body(model.unwrap_or(own));
        let client = client.clone();
        let client = if self.is_multipart { client.with("content-type", BOUNDARY) } else { client };
        client.send(self.method.clone(), &path, body).await
    }
}

/// What stops a request.
struct Control {
    name: &'static str,
    /// The type of policy it is, where it is one.
    policy: Option<&'static str>,
    set: Set,
    /// The code that it refuses with.
    code: &'static str,
}

/// How a control is set up.
enum Set {
    /// A change of the key.
    Key(Value),
    /// The key is revoked.
    Revoked,
    /// The key's time is over.
    Expired,
    /// A change of the agent.
    Agent(Value),
    /// A policy with this configuration.
    Policy(Value),
    /// A policy whose limit one request uses up.
    UsedUp(Value),
    /// A hard budget of so many nano-dollars, and the model that is asked for.
    Budget(&'static str, Option<&'static str>),
}

fn controls() -> Vec<Control> {
    let policy = |name: &'static str, config: Value, code| Control {
        name,
        policy: Some(name),
        set: Set::Policy(config),
        code,
    };
    let other = |name, set, code| Control { name, policy: None, set, code };
    let hour = jiff::Timestamp::now().as_second() / 3_600 % 24;
    let far = format!("{:02}", (hour + 12) % 24);
    let window = json!({
        "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": format!("{far}:00"), "to": format!("{far}:01"),
    });
    vec![
        other("key revoked", Set::Revoked, "invalid_api_key"),
        other("key expired", Set::Expired, "invalid_api_key"),
        other("key disabled", Set::Key(json!({ "status": "disabled" })), "invalid_api_key"),
        other("agent off", Set::Agent(json!({ "status": "inactive" })), "invalid_api_key"),
        other("key's models", Set::Key(json!({ "allowedModels": ["nothing-else"] })), "model_not_allowed"),
        other("agent's run tracking", Set::Agent(json!({ "requireRunTracking": true })), "run_id_required"),
        policy(
            "model_access",
            json!({ "denyModels": ["*"], "denyProviders": ["openai", "anthropic"] }),
            "model_not_allowed",
        ),
        Control {
            set: Set::UsedUp(json!({ "requestsPerDay": 1, "per": "workspace" })),
            ..policy("rate_limit", Value::Null, "rate_limit_exceeded")
        },
        policy("request_limits", json!({ "maxBodyBytes": 1 }), "policy_denied"),
        policy("run_limits", json!({ "requireRunId": true }), "run_id_required"),
        policy("ip_allowlist", json!({ "cidrs": ["203.0.113.0/24"] }), "ip_not_allowed"),
        policy("schedule", json!({ "timezone": "UTC", "windows": [window] }), "policy_denied"),
        policy("content_filter", json!({ "detectors": ["email"], "action": "refuse" }), "policy_denied"),
        other("hard budget", Set::Budget("0", None), "budget_exhausted"),
        other("no price", Set::Budget("1000000000000", Some(UNPRICED)), "unpriced_model"),
    ]
}

/// An agent with its key.
struct Asker {
    agent: String,
    key: String,
    client: Client,
}

impl Stage {
    async fn asker(&self, name: &str, provider_key: &str) -> Asker {
        let agent = json!({ "type": "ai_agent", "name": name, "masterKeyId": provider_key });
        let made = self.server.owner().post("/api/v1/agents", &agent).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let made = made.data();
        let key = &made["virtualKey"];
        Asker {
            agent: format!("/api/v1/agents/{}", made["id"].as_str().unwrap()),
            key: format!("/api/v1/virtual-keys/{}", key["id"].as_str().unwrap()),
            client: Client::new(&self.server.origin).bearer(key["fullToken"].as_str().unwrap()),
        }
    }

    async fn alter(&self, path: &str, change: &Value) {
        let answer = self.server.owner().send(Method::PATCH, path, change.to_string()).await;
        assert!(answer.status.is_success(), "{path} {change}: {}", answer.text());
    }

    async fn made(&self, path: &str, body: &Value) -> String {
        let made = self.server.owner().post(path, body).await;
        assert_eq!(made.status, 201, "{}", made.text());
        format!("{path}/{}", made.data()["id"].as_str().unwrap())
    }

    /// Sets a control up; what is to be deleted to undo it.
    async fn set_up(&self, control: &Control, askers: &[Asker; 2]) -> Option<String> {
        for Asker { agent, key, .. } in askers {
            match &control.set {
                Set::Key(change) => self.alter(key, change).await,
                Set::Agent(change) => self.alter(agent, change).await,
                Set::Revoked => {
                    let revoked = self.server.owner().post(&format!("{key}/revoke"), &json!({})).await;
                    assert_eq!(revoked.status, 200, "{}", revoked.text());
                }
                Set::Expired => {
                    let soon = jiff::Timestamp::now() + Duration::from_millis(500);
                    self.alter(key, &json!({ "expiresAt": soon.to_string() })).await;
                    tokio::time::sleep(Duration::from_millis(600)).await;
                }
                Set::Policy(_) | Set::UsedUp(_) | Set::Budget(..) => {}
            }
        }
        match &control.set {
            Set::Policy(config) | Set::UsedUp(config) => {
                let policy = json!({ "name": control.name, "type": control.policy, "config": config });
                let made = self.made("/api/v1/policies", &policy).await;
                if let Set::UsedUp(_) = control.set {
                    let body = json!({ "model": "text-embedding-3-small", "input": "x" });
                    assert_eq!(askers[0].client.post("/v1/embeddings", &body).await.status, 200);
                }
                Some(made)
            }
            Set::Budget(limit, _) => {
                let budget = json!({
                    "scope": { "type": "workspace", "id": null }, "limitNanoUsd": limit, "window": "total",
                    "action": "block_requests",
                });
                Some(self.made("/api/v1/budgets", &budget).await)
            }
            Set::Key(_) | Set::Agent(_) | Set::Revoked | Set::Expired => None,
        }
    }
}

/// What a control says of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    /// It refuses with this code, and nothing goes upstream.
    Refused(&'static str),
    /// It has no say, and why.
    Nothing(&'static str),
}

/// What is expected, where it is not what the control refuses with everywhere.
fn expected(control: &Control, row: &Row) -> Cell {
    let is_stored = row.path.contains("{id}");
    let is_free = is_stored || row.path.ends_with("count_tokens");
    match (control.name, row.path) {
        ("request_limits" | "content_filter", _) if row.body.is_none() => Cell::Nothing("no body"),
        ("hard budget" | "no price", _) if is_free => Cell::Nothing(COSTS_NOTHING),
        ("hard budget", "/v1/moderations") => Cell::Nothing(COSTS_NOTHING),
        ("hard budget", "/v1/images/generations" | "/v1/images/variations") => {
            Cell::Refused("unpriced_model")
        }
        ("hard budget", "/v1/audio/transcriptions" | "/v1/audio/translations") => {
            Cell::Refused("unbounded_cost")
        }
        ("model_access", _) => Cell::Refused("provider_not_allowed"),
        _ => Cell::Refused(control.code),
    }
}

/// The table of what is shown below.
fn table() -> String {
    let controls = controls();
    let mut table = String::from("| route |");
    for control in &controls {
        let name = control.policy.map_or(control.name.to_owned(), |policy| format!("`{policy}`"));
        let _ = write!(table, " {name} |");
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(controls.len()));
    for row in rows() {
        let _ = write!(table, "\n| {} |", row.name());
        for control in &controls {
            let cell = match expected(control, &row) {
                Cell::Refused(code) => format!("`{code}`"),
                Cell::Nothing(why) => why.to_owned(),
            };
            let _ = write!(table, " {cell} |");
        }
    }
    table.push('\n');
    table
}

#[test]
fn the_table_in_the_docs_is_the_one_that_is_shown() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/controls.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (begin, end) = ("<!-- table -->\n", "<!-- end of the table -->");
    let (before, rest) = page.split_once(begin).unwrap();
    let (written, after) = rest.split_once(end).unwrap();
    let table = table();
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(
        written, table,
        "write it anew: WRITE_DOCS=1 cargo nextest run -E 'test(the_table_in_the_docs)'"
    );
}

#[test]
fn every_route_and_every_policy_that_limits_is_in_the_table() {
    let rows = rows();
    for operation in Operation::ALL {
        let is_there = rows.iter().any(|row| {
            let path = row.path.replace("{id}", "resp_1");
            matches!(route::find(&row.method, &path), Ok(Route::Call(call)) if call.operation == operation)
        });
        assert!(is_there, "{operation:?} is not in the table");
    }
    let controls = controls();
    for rule_type in rule_types().iter().filter(|rule_type| rule_type.limits) {
        let is_there = controls.iter().any(|control| control.policy == Some(rule_type.name));
        assert!(is_there, "{} is not in the table", rule_type.name);
    }
}

#[tokio::test]
async fn w_050_w_052_no_route_goes_around_a_control() {
    let stage = Stage::set().await;
    for control in controls() {
        let askers = [
            stage.asker(control.name, &stage.tenant.openai).await,
            stage.asker(control.name, &stage.tenant.anthropic).await,
        ];
        let body = json!({ "model": "gpt-4o-mini", "input": "x" });
        let kept = askers[0].client.post("/v1/responses", &body).await.json();
        let undo = stage.set_up(&control, &askers).await;
        let model = if let Set::Budget(_, model) = control.set { model } else { None };
        for row in rows() {
            let asker = &askers[usize::from(row.path.starts_with("/v1/messages"))];
            let before = stage.sim.stats().await["requests_total"].clone();
            let answer = row.send(&asker.client, kept["id"].as_str().unwrap(), model).await;
            let was_sent = stage.sim.stats().await["requests_total"] != before;
            let case = format!("{} under {}: {}", row.name(), control.name, answer.text());
            match expected(&control, &row) {
                Cell::Refused(code) => {
                    assert_eq!(answer.error_code(), code, "{case}");
                    assert!(!was_sent, "{case}");
                }
                Cell::Nothing(_) => assert!(was_sent, "{case}"),
            }
        }
        if let Some(path) = undo {
            assert!(stage.server.owner().send(Method::DELETE, &path, "").await.status.is_success());
        }
    }
    stage.audit().await;
}
