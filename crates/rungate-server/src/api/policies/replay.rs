//! `POST /policies/{id}/replay`

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::code::Code;
use rungate_core::exchange::{ExchangeFilter, ExchangeRecord};
use rungate_core::id::{ExchangeId, RunId};
use rungate_core::page::{Order, PageRequest};
use rungate_core::policy::{Change, Facts, Policy, PolicySet, RunFacts, replay as compare};
use rungate_core::time::Timestamp;
use rungate_llm::ceiling::Demand;
use rungate_llm::request;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::evaluate::operation;
use super::{draft, versions};
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Json, Request};
use crate::api::params::Id;
use crate::api::requests::fresh::caught_up;
use crate::api::resources;
use crate::services::Services;

const PAGE: usize = 200;
/// So many requests are looked at in one go.
const MAX_REQUESTS: u64 = 10_000;
/// So many that would change are listed.
const MAX_LISTED: usize = 100;

/// Which version is tried on which requests.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayPolicy {
    /// A saved version.
    version: u64,
    /// From when on.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// Before when; left out: now.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
}

impl Request for ReplayPolicy {}

/// What would have been different.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// Requests that were looked at, oldest first.
    pub requests: u64,
    /// Of these, whose verdict would be the same.
    pub same: u64,
    /// Refused that were allowed.
    pub newly_refused: u64,
    /// Allowed that were refused.
    pub newly_allowed: u64,
    /// Refused both times, for another reason.
    pub other_reason: u64,
    /// Allowed both times, with other limits.
    pub other_limits: u64,
    /// Of all, those whose body is gone or was never kept: what asks for tools, an output limit or text does not see it.
    pub without_body: u64,
    /// The first of those that would change, at most 100.
    pub changes: Vec<ChangedView>,
    /// Where to go on, as `from`, when there were more than 10 000; null: all were looked at.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_from: Option<Timestamp>,
}

/// A request whose verdict would change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangedVerdict)]
pub struct ChangedView {
    /// The request.
    #[schema(value_type = Uuid)]
    pub id: ExchangeId,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// `refused`, `allowed`, `other_reason` or `other_limits`.
    pub change: &'static str,
    /// Why it is refused by what is in force.
    #[schema(value_type = Option<String>)]
    pub code_now: Option<Code>,
    /// Why the draft would refuse it.
    #[schema(value_type = Option<String>)]
    pub code_then: Option<Code>,
}

/// Say which verdicts on stored requests would change with a version in force. Nothing is changed; rate limits, which count, are not
/// asked.
#[utoipa::path(post, path = "/api/v1/policies/{id}/replay", tag = "Policies", params(("id" = String, Path)),
    request_body = ReplayPolicy, responses((status = 200, body = Envelope<Replayed>)))]
pub async fn replay(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
    Json(asked): Json<ReplayPolicy>,
) -> Result<Response, ApiError> {
    let policy: Policy = resources::require(&services, caller.workspace, id, "policy").await?;
    let policies = draft::current(&services, caller.workspace).await?;
    let now = draft::compile(&policies)?;
    let changed = versions::with(&services, &policy, asked.version).await?;
    let sees_bodies = matches!(&*changed.rule_type, "request_limits" | "content_filter");
    let then = draft::compile(&draft::instead(policies, changed))?;
    caught_up(&services).await;
    let filter = ExchangeFilter { from: Some(asked.from), to: asked.to, ..ExchangeFilter::default() };
    let mut page = PageRequest { limit: PAGE, after: None, order: Order::Asc };
    let (mut replayed, mut runs) = (Replayed::default(), HashMap::new());
    loop {
        let read = services.log.find(caller.workspace, &filter, &page).await?;
        for row in &read.items {
            let mut body = None;
            if sees_bodies && row.has_request_body {
                let kept = services.log.bodies(caller.workspace, row.record.id).await?;
                body = kept.and_then(|kept| kept.request);
            }
            let body = body.filter(|body| !body.truncated && !body.redacted).map(|body| body.bytes);
            replayed.without_body += u64::from(sees_bodies && body.is_none());
            replayed.add(&now, &then, &row.record, body.as_deref(), &mut runs);
        }
        page.after = read.next;
        if page.after.is_none() {
            break;
        }
        if replayed.requests >= MAX_REQUESTS {
            replayed.next_from = read.items.last().map(|row| row.record.created_at);
            break;
        }
    }
    Ok(ok(replayed))
}

impl Replayed {
    fn add(
        &mut self,
        now: &PolicySet,
        then: &PolicySet,
        record: &ExchangeRecord,
        body: Option<&[u8]>,
        runs: &mut HashMap<RunId, (u64, Timestamp)>,
    ) {
        // Stored responses and counting tokens are held to no policy.
        let Ok(operation) = operation(&record.path) else { return };
        self.requests += 1;
        let run = record.attribution.run_id.clone().map(|id| {
            let (requests, first) = runs.entry(id).or_insert((0, record.created_at));
            *requests += 1;
            let age = record.created_at.since(*first);
            RunFacts { requests: *requests - 1, age, input_hash: 0, recent: &[] }
        });
        let tools = body.map(request::tool_names).unwrap_or_default();
        let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
        let scan = body.and_then(|body| request::scan(operation, None, body).ok());
        let facts = Facts {
            now: record.created_at,
            client_ip: record.client_ip,
            operation,
            provider: record.provider.as_deref(),
            model: record.model.as_deref().or(record.requested_model.as_deref()),
            body_bytes: record.request_bytes,
            input_tokens: record.request_bytes.div_ceil(4),
            output_tokens: body
                .zip(scan)
                .and_then(|(body, scan)| Demand::read(operation, &scan, body).output_limit()),
            cost: record.reserved.or(record.cost),
            tools: &tools,
            has_agent_id: record.agent.id.is_some(),
            has_session_id: record.attribution.session_id.is_some(),
            run,
        };
        let of = |set: &PolicySet| {
            let applicable = set.for_request(record.agent.id, Some(record.virtual_key_id));
            let text = body.and_then(|body| std::str::from_utf8(body).ok());
            text.and_then(|text| applicable.filter_request(text, true).denial.map(|denial| denial.code))
        };
        let (agent, key) = (record.agent.id, Some(record.virtual_key_id));
        let change = match (of(now), of(then)) {
            (None, Some(code)) => Change::Refused(code),
            (Some(code), None) => Change::Allowed(code),
            _ => compare(now.for_request(agent, key), then.for_request(agent, key), &facts),
        };
        self.note(record, change);
    }

    fn note(&mut self, record: &ExchangeRecord, change: Change) {
        let (count, name, code_now, code_then) = match change {
            Change::Same => {
                self.same += 1;
                return;
            }
            Change::Refused(code) => (&mut self.newly_refused, "refused", None, Some(code)),
            Change::Allowed(code) => (&mut self.newly_allowed, "allowed", Some(code), None),
            Change::OtherReason(now, then) => (&mut self.other_reason, "other_reason", Some(now), Some(then)),
            Change::OtherLimits => (&mut self.other_limits, "other_limits", None, None),
        };
        *count += 1;
        if self.changes.len() < MAX_LISTED {
            self.changes.push(ChangedView {
                id: record.id,
                created_at: record.created_at,
                change: name,
                code_now,
                code_then,
            });
        }
    }
}
