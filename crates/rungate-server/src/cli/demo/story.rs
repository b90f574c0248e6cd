//! The agent: four calls of models and one of a tool, over HTTP with its virtual keys, as an agent's own code makes them.

use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::BodyExt as _;
use rungate_core::ports::Entropy as _;
use rungate_core::secret::{Secret, encode_hex};
use serde_json::{Value, json};

use super::setup::Stage;
use crate::cli::client::Client;
use crate::cli::out;
use crate::cli::render::text;
use crate::clock::SystemEntropy;

/// The model of the plan, the tool call and the answer.
pub const OPENAI_MODEL: &str = "gpt-4o-mini";
/// The model of the review.
pub const ANTHROPIC_MODEL: &str = "claude-haiku-4-5";

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const QUESTION: &str = "Do I need an umbrella in Lisbon tomorrow?";
/// More than the simulated provider ever sends here.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// What was sent, under which ids.
#[derive(Debug)]
pub struct Story {
    /// The run.
    pub run_id: String,
    /// The session.
    pub session_id: String,
    /// The requests, in order.
    pub requests: Vec<Sent>,
}

/// A request that was answered.
#[derive(Debug)]
pub struct Sent {
    /// The `x-request-id` that was sent.
    pub request_id: String,
    /// The `alephant-id` that was answered.
    pub id: String,
}

/// One call of a model.
struct Call<'a> {
    step: &'static str,
    parent: Option<&'static str>,
    kind: &'static str,
    after_tool: Option<&'a str>,
    path: &'static str,
    key: &'a Secret,
    body: Value,
}

/// Plays it.
pub async fn tell(client: &Client, stage: &Stage) -> anyhow::Result<Story> {
    let mut random = [0; 4];
    SystemEntropy::open()?.fill(&mut random);
    let suffix = encode_hex(&random);
    let mut teller = Teller {
        client,
        story: Story {
            run_id: format!("run_demo_{suffix}"),
            session_id: format!("session_demo_{suffix}"),
            requests: Vec::new(),
        },
    };
    let question = json!({ "role": "user", "content": QUESTION });
    let chat = |step, parent, kind, body| Call {
        step,
        parent,
        kind,
        after_tool: None,
        path: CHAT,
        key: &stage.openai_key,
        body,
    };

    let plan = json!({ "model": OPENAI_MODEL, "stream": true, "messages": [
        { "role": "system", "content": "Plan, in one sentence, how to answer the question with the tools you have." }, question,
    ]});
    teller.call(chat("s1", None, "planning", plan)).await?;

    let ask = json!({ "model": OPENAI_MODEL, "messages": [question], "tools": [forecast_tool()] });
    let asked = teller.call(chat("s2", Some("s1"), "tool_call", ask)).await?;
    let asked: Value = serde_json::from_str(&asked).context("the answer is no JSON")?;
    let message = &asked["choices"][0]["message"];
    let call = &message["tool_calls"][0];
    let call_id = call["id"].as_str().context("the model called no tool")?.to_owned();
    let forecast = forecast(call);
    out::print(&format!("       the tool forecast answers {forecast}\n"))?;

    let review = json!({ "model": ANTHROPIC_MODEL, "max_tokens": 200, "system": "Say whether this forecast is plausible.",
        "messages": [{ "role": "user", "content": forecast.to_string() }]});
    teller
        .call(Call {
            step: "s3",
            parent: Some("s2"),
            kind: "reasoning",
            after_tool: Some(&call_id),
            path: MESSAGES,
            key: &stage.anthropic_key,
            body: review,
        })
        .await?;

    let answer = json!({ "model": OPENAI_MODEL, "stream": true, "messages": [
        question, message, { "role": "tool", "tool_call_id": call_id, "content": forecast.to_string() },
    ]});
    teller.call(chat("s4", Some("s3"), "final_answer", answer)).await?;
    Ok(teller.story)
}

fn forecast_tool() -> Value {
    json!({ "type": "function", "function": {
        "name": "forecast",
        "description": "The weather of tomorrow.",
        "parameters": { "type": "object", "properties": { "city": { "type": "string", "enum": ["Lisbon"] } }, "required": ["city"] },
    }})
}

/// The agent's tool.
fn forecast(call: &Value) -> Value {
    let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
    json!({ "city": arguments["city"], "rain_probability": 0.8, "wind_kmh": 22 })
}

struct Teller<'a> {
    client: &'a Client,
    story: Story,
}

impl Teller<'_> {
    /// Sends a request, reads its answer to the end and says how it went. Returns the answer.
    async fn call(&mut self, call: Call<'_>) -> anyhow::Result<String> {
        let request_id = format!("{}-{}", self.story.run_id, call.step);
        let headers = self.headers(&call, &request_id)?;
        let started = Instant::now();
        let client = self.client.with_token(call.key.clone());
        let (head, mut body) =
            client.open(Method::POST, call.path, &headers, Some(&call.body)).await?.into_parts();
        let mut answer = Vec::new();
        let mut first = None;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.context("the answer broke off")?.into_data() else { continue };
            first.get_or_insert_with(|| started.elapsed());
            answer.extend_from_slice(&data);
            ensure!(answer.len() <= MAX_ANSWER_BYTES, "the answer has no end");
        }
        let took = started.elapsed();
        let answer = String::from_utf8(answer).context("the answer is no text")?;
        if !head.status.is_success() {
            bail!("step {} was answered {}: {}", call.step, head.status, text::clean(&answer));
        }
        let echoed = head.headers.get("x-request-id");
        ensure!(echoed.is_some_and(|echoed| echoed == request_id.as_str()), "x-request-id did not come back");
        let id = head.headers.get("alephant-id").and_then(|id| id.to_str().ok()).context("no alephant-id")?;
        let ms =
            |time: std::time::Duration| text::duration(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let how = if call.body["stream"] == true {
            ensure!(answer.trim_end().ends_with("data: [DONE]"), "the stream did not end in order");
            let events = answer.lines().filter(|line| line.starts_with("data: {")).count();
            format!(
                "{events} events, the first after {}, the last after {}",
                ms(first.unwrap_or(took)),
                ms(took)
            )
        } else {
            format!("answered after {}", ms(took))
        };
        let model = call.body["model"].as_str().unwrap_or_default();
        out::print(&format!("  {:<3}  {:<12}  {model:<16}  {how}\n", call.step, call.kind))?;
        self.story.requests.push(Sent { request_id, id: id.to_owned() });
        Ok(answer)
    }

    fn headers(&self, call: &Call<'_>, request_id: &str) -> anyhow::Result<HeaderMap> {
        let named = [
            ("x-request-id", Some(request_id)),
            ("alephant-run-id", Some(&*self.story.run_id)),
            ("alephant-session-id", Some(&*self.story.session_id)),
            ("alephant-session-name", Some("Rungate demo")),
            ("alephant-step-id", Some(call.step)),
            ("alephant-parent-step-id", call.parent),
            ("alephant-step-kind", Some(call.kind)),
            ("alephant-tool-call-id", call.after_tool),
            ("alephant-property-app", Some("demo")),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in named {
            if let Some(value) = value {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
            }
        }
        Ok(headers)
    }
}
