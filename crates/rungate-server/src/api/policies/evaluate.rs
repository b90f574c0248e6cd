//! `POST /policies/evaluate`

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::Method;
use rungate_core::code::Code;
use rungate_core::id::{AgentId, VirtualKeyId};
use rungate_core::money::NanoUsd;
use rungate_core::operation::Operation;
use rungate_core::policy::{Denial, Facts, Finding, RunFacts};
use rungate_core::time::Timestamp;
use rungate_gateway::route::{self, Route};
use rungate_llm::ceiling::Demand;
use rungate_llm::request;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::draft::{self, Draft};
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Checks, Json, Request};
use crate::api::requests::filter::dollars;
use crate::api::requests::view::DecisionView;
use crate::services::Services;

/// A request as it might come, and a draft that it is held against besides the policies in force.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvaluatePolicies {
    /// The route; default `/v1/chat/completions`.
    #[serde(default)]
    path: Option<String>,
    /// The request's body.
    #[schema(value_type = Object)]
    body: Value,
    /// The provider that it would go to.
    #[serde(default)]
    provider: Option<String>,
    /// The model as the provider calls it; left out: that of the body.
    #[serde(default)]
    model: Option<String>,
    /// Whose request.
    #[serde(default)]
    agent_id: Option<Uuid>,
    /// With which key.
    #[serde(default)]
    virtual_key_id: Option<Uuid>,
    /// From where.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    client_ip: Option<IpAddr>,
    /// When; left out: now.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// The most it may cost, in USD.
    #[serde(default)]
    max_cost_usd: Option<String>,
    /// Whether it names a session.
    #[serde(default)]
    has_session_id: bool,
    /// What its run has done; left out: it names none.
    #[serde(default)]
    run: Option<SampleRun>,
    /// What is tried out.
    #[serde(default)]
    draft: Option<Draft>,
}

/// What a run has done before.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SampleRun {
    /// Requests.
    #[serde(default)]
    requests: u64,
    /// Seconds since the first.
    #[serde(default)]
    age_seconds: u64,
}

impl Request for EvaluatePolicies {
    fn check(&self, checks: &mut Checks) {
        if !self.body.is_object() {
            checks.fail("body", "type", "must be the JSON object of a request");
        }
    }
}

/// What the policies say.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Whether it would be sent.
    pub allowed: bool,
    /// Why not.
    pub denial: Option<DenialView>,
    /// What each policy says, those that only log too. Rate limits, which count, are not asked.
    pub decisions: Vec<DecisionView>,
    /// Output tokens at most, where that is less than asked for.
    pub max_output_tokens: Option<u64>,
    /// The most it may cost, in nano-USD.
    pub max_cost_nano_usd: Option<String>,
    /// The body as it would go on, where a filter masks something.
    #[schema(value_type = Option<Object>)]
    pub masked_body: Option<Value>,
}

/// Why a request is refused.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PolicyDenial)]
pub struct DenialView {
    /// What the client gets.
    #[schema(value_type = String)]
    pub code: Code,
    /// The policy.
    #[schema(value_type = Uuid)]
    pub policy_id: rungate_core::id::PolicyId,
    /// Its name.
    pub policy_name: String,
    /// The type of its rule.
    #[serde(rename = "type")]
    pub rule_type: &'static str,
    /// Why, for people.
    pub reason: String,
}

impl From<&Denial<'_>> for DenialView {
    fn from(denial: &Denial<'_>) -> Self {
        Self {
            code: denial.code,
            policy_id: denial.policy.id,
            policy_name: denial.policy.name.to_string(),
            rule_type: denial.policy.rule_type,
            reason: denial.reason.to_string(),
        }
    }
}

/// Say what the policies, with a draft among them, would do with a request. Nothing is sent, counted or stored.
#[utoipa::path(post, path = "/api/v1/policies/evaluate", tag = "Policies", request_body = EvaluatePolicies,
    responses((status = 200, body = Envelope<Evaluation>)))]
pub async fn evaluate(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Json(sample): Json<EvaluatePolicies>,
) -> Result<Response, ApiError> {
    let operation = operation(sample.path.as_deref().unwrap_or("/v1/chat/completions"))?;
    let policies = draft::current(&services, caller.workspace).await?;
    let policies = match sample.draft {
        None => policies,
        Some(draft) => draft::with(&services, caller.workspace, policies, draft).await?,
    };
    let set = draft::compile(&policies)?;
    let body = sample.body.to_string();
    let scan = request::scan(operation, None, body.as_bytes())
        .map_err(|error| ApiError::field("body", "request", error.to_string()))?;
    let cost = sample.max_cost_usd.as_deref().map(dollars).transpose();
    let cost = cost.map_err(|error| ApiError::field("maxCostUsd", "money", error))?;
    let tools = request::tool_names(body.as_bytes());
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    let run = sample.run.map(|run| RunFacts {
        requests: run.requests,
        age: Duration::from_secs(run.age_seconds),
        input_hash: 0,
        recent: &[],
    });
    let applicable =
        set.for_request(sample.agent_id.map(AgentId::new), sample.virtual_key_id.map(VirtualKeyId::new));
    let filtered = applicable.filter_request(&body, true);
    let verdict = applicable.judge(&Facts {
        now: sample.at.unwrap_or_else(|| services.clock.now()),
        client_ip: sample.client_ip,
        operation,
        provider: sample.provider.as_deref(),
        model: sample.model.as_deref().or(scan.model.as_deref()),
        body_bytes: body.len() as u64,
        input_tokens: (body.len() as u64).div_ceil(4),
        output_tokens: Demand::read(operation, &scan, body.as_bytes()).output_limit(),
        cost,
        tools: &tools,
        has_agent_id: sample.agent_id.is_some(),
        has_session_id: sample.has_session_id,
        run,
    });
    let denial = filtered.denial.as_ref().or(verdict.denial.as_ref());
    let decisions = filtered.findings.iter().map(Finding::decision).chain(verdict.decisions());
    Ok(ok(Evaluation {
        allowed: denial.is_none(),
        denial: denial.map(DenialView::from),
        decisions: decisions.map(DecisionView::from).collect(),
        max_output_tokens: verdict.max_output_tokens,
        max_cost_nano_usd: verdict.max_cost.map(NanoUsd::nanos).map(|nanos| nanos.to_string()),
        masked_body: filtered.body.and_then(|body| serde_json::from_str(&body).ok()),
    }))
}

/// What a path of the data plane asks for.
pub fn operation(path: &str) -> Result<Operation, ApiError> {
    match route::find(&Method::POST, path) {
        Ok(Route::Call(call)) => Ok(call.operation),
        _ => {
            Err(ApiError::field("path", "route", "must be a route that takes requests, such as /v1/messages"))
        }
    }
}
