//! Stage 5: what the workspace's policies say, and whether its rate limits have room.

use bytes::Bytes;
use rungate_core::agent::BodyCapture;
use rungate_core::code::Code;
use rungate_core::exchange::{Decision, Effect, ExchangeRecord, Mode};
use rungate_core::money::NanoUsd;
use rungate_core::policy::{self, Applicable, Denial, Facts, Filtered, Finding, Per, RateLimit};
use rungate_llm::ceiling::Demand;
use rungate_llm::request;
use serde_json::json;

use crate::directory::{KeyEntry, WorkspaceEntry};
use crate::exchange::Exchange;
use crate::limit::{Counter, Limit, Limiter, Refused, Standing, Subject, Unit};
use crate::refusal::Refusal;
use crate::routing::Candidate;
use crate::runs::{Run, Runs};
use crate::stage::parse::Parsed;

/// To what a request is held by policies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    /// Output tokens at most.
    pub max_output_tokens: Option<u64>,
    /// The most it may cost.
    pub max_cost: Option<NanoUsd>,
}

/// The policies that apply to a request.
pub fn applicable<'a>(exchange: &Exchange, key: &'a KeyEntry) -> Result<Applicable<'a>, Refusal> {
    let Some(policies) = &key.workspace.policies else {
        return Err(Refusal::new(
            Code::PolicyUnavailable,
            "A policy of the workspace cannot be read; nothing was sent.",
        ));
    };
    Ok(policies.for_request(exchange.record.agent.id, Some(key.key.id())))
}

/// What policies keep of bodies; all of it where none says, or where nobody knows what they say and the request is refused.
pub fn bodies(exchange: &Exchange, key: &KeyEntry) -> BodyCapture {
    let logging = applicable(exchange, key).ok().and_then(|policies| policies.logging());
    logging.and_then(|(_, logging)| logging.bodies).unwrap_or_default()
}

/// Holds the body against the content filters. The body as it is to go on, when that is another.
pub fn filter(
    exchange: &mut Exchange,
    policies: Applicable<'_>,
    parsed: &Parsed,
) -> Result<Option<Vec<u8>>, Refusal> {
    if !policies.filters(false) {
        return Ok(None);
    }
    // Of a form only the words are looked at: pictures and sound are not.
    let is_form = parsed.scan.multipart;
    let looked_at =
        if is_form { parsed.scan.words_span.clone().unwrap_or(0..0) } else { 0..parsed.body.len() };
    let (before, rest) = parsed.body.split_at(looked_at.start);
    let (text, after) = rest.split_at(looked_at.len());
    let Ok(text) = std::str::from_utf8(text) else { return Ok(None) };
    let mut filtered = policies.filter_request(text, !is_form);
    let masked = filtered.body.take().map(|masked| [before, masked.as_bytes(), after].concat());
    if let (Some(_), Some(masked)) = (&filtered.denial, &masked) {
        // What one filter refuses, another may have masked: the log keeps no more than it may.
        exchange.keep_request(&Bytes::copy_from_slice(masked));
    }
    outcome(exchange, filtered)?;
    Ok(masked)
}

/// Holds a whole answer against the content filters. The answer as the client gets it, when that is another.
pub fn filter_answer(
    exchange: &mut Exchange,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Option<Vec<u8>>, Refusal> {
    let workspace = exchange.workspace();
    let Some(policies) = of_answer(exchange, &workspace) else { return Ok(None) };
    // Sound and pictures are not looked at.
    let Ok(text) = std::str::from_utf8(body) else { return Ok(None) };
    let is_json = content_type.is_none_or(|content_type| content_type.contains("json"));
    let filtered = policies.filter_response(text, is_json);
    outcome(exchange, filtered)
}

/// Holds the texts of a streamed answer, as a JSON array, against the content filters.
pub fn filter_said(exchange: &mut Exchange, said: &str) -> Result<(), Refusal> {
    let workspace = exchange.workspace();
    let Some(policies) = of_answer(exchange, &workspace) else { return Ok(()) };
    outcome(exchange, policies.filter_response(said, true)).map(drop)
}

/// The policies of an exchange, where they look at answers.
pub fn of_answer<'a>(exchange: &Exchange, workspace: &'a WorkspaceEntry) -> Option<Applicable<'a>> {
    let policies = workspace.policies.as_ref()?;
    let policies = policies.for_request(exchange.record.agent.id, Some(exchange.record.virtual_key_id));
    policies.filters(true).then_some(policies)
}

fn outcome(exchange: &mut Exchange, filtered: Filtered<'_>) -> Result<Option<Vec<u8>>, Refusal> {
    exchange.record.decisions.extend(filtered.findings.iter().map(Finding::decision));
    match filtered.denial {
        Some(denial) => Err(denied(&denial)),
        None => Ok(filtered.body.map(String::into_bytes)),
    }
}

/// Counts the request in its run where a rule asks for that; what the run had done before.
pub async fn history(
    exchange: &Exchange,
    policies: Applicable<'_>,
    runs: &Runs,
    parsed: &Parsed,
) -> Result<Option<Run>, Refusal> {
    let record = &exchange.record;
    Ok(match &record.attribution.run_id {
        Some(id) if policies.iter().any(|policy| policy.rule_type == "run_limits") => {
            let input = parsed.scan.words_span.clone().map_or(&[][..], |span| &parsed.body[span]);
            let noted = runs.note(record.workspace_id, id, record.created_at, input).await;
            Some(noted.map_err(|error| {
                tracing::warn!(%error, "request refused: what its run has done is not known");
                Refusal::new(
                    Code::PolicyUnavailable,
                    "What the run has done cannot be read now; nothing was sent.",
                )
            })?)
        }
        Some(_) => Some(Run::default()),
        None => None,
    })
}

/// Asks every rule that needs nothing but facts; the request costs at most `cost`, where somebody knows.
pub fn judge(
    exchange: &mut Exchange,
    policies: Applicable<'_>,
    run: Option<&Run>,
    parsed: &Parsed,
    candidate: &Candidate,
    cost: Option<NanoUsd>,
) -> Result<Caps, Refusal> {
    if policies.is_empty() {
        return Ok(Caps::default());
    }
    let record = &exchange.record;
    let tools = request::tool_names(&parsed.body);
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    let facts = Facts {
        now: record.created_at,
        client_ip: record.client_ip,
        operation: parsed.operation,
        provider: Some(candidate.access.provider.id),
        model: candidate.model.as_deref(),
        body_bytes: parsed.body.len() as u64,
        input_tokens: (parsed.body.len() as u64).div_ceil(4),
        output_tokens: Demand::read(parsed.operation, &parsed.scan, &parsed.body).output_limit(),
        cost,
        tools: &tools,
        has_agent_id: record.agent.id.is_some()
            || record.agent.trust != rungate_core::activity::Trust::SystemDerived,
        has_session_id: record.attribution.session_id.is_some(),
        run: run.map(|run| run.facts(record.created_at)),
    };
    let verdict = policies.judge(&facts);
    exchange.record.decisions.extend(verdict.decisions());
    match &verdict.denial {
        Some(denial) => Err(denied(denial)),
        None => Ok(Caps { max_output_tokens: verdict.max_output_tokens, max_cost: verdict.max_cost }),
    }
}

fn denied(denial: &Denial<'_>) -> Refusal {
    let message = format!("Policy {} refuses the request: {}.", denial.policy.name, denial.reason);
    let refusal = Refusal::new(denial.code, message);
    refusal.details(json!({
        "policyId": denial.policy.id,
        "policyName": denial.policy.name,
        "rule": denial.policy.rule_type,
        "reason": denial.reason,
    }))
}

/// Takes the request from every rate limit that applies, or from none.
pub fn rate(
    exchange: &mut Exchange,
    policies: Applicable<'_>,
    key: &KeyEntry,
    limiter: &Limiter,
    tokens: u64,
) -> Result<(), Refusal> {
    let mut limits = Vec::new();
    let mut bounds = Vec::new();
    for (name, counter, most) in own_limits(key) {
        limits.push(Limit { counter, most, enforced: true });
        bounds.push(Bounded::Own(name));
    }
    for (policy, limit) in policies.rate_limits() {
        let Some(subject) = subject(&exchange.record, limit.per) else { continue };
        for (unit, most) in units(limit) {
            let counter = Counter { rule: policy.id.uuid(), subject: subject.clone(), unit };
            limits.push(Limit { counter, most, enforced: policy.mode == Mode::Enforce });
            bounds.push(Bounded::Policy(policy));
        }
    }
    if limits.is_empty() {
        return Ok(());
    }
    let decision = |at: usize, effect| {
        let reason = format!("{} {}", limits[at].most, limits[at].counter.unit.as_str());
        bounds[at].decision(effect, reason)
    };
    match limiter.admit(exchange.since_start(), exchange.record.workspace_id, &limits, tokens) {
        Ok(admission) => {
            let exceeded: Vec<_> =
                admission.exceeded().iter().map(|at| decision(*at, Effect::Deny)).collect();
            exchange.record.decisions.extend(exceeded);
            exchange.admitted(admission);
            Ok(())
        }
        Err(refused) => {
            if let Refused::Reached { limit, standing, .. } = &refused {
                exchange.record.decisions.push(decision(*limit, Effect::Deny));
                exchange.standing = Some(*standing);
            }
            Err(reached(exchange, &refused))
        }
    }
}

/// Who says a limit.
enum Bounded<'a> {
    Policy(&'a policy::Bound),
    /// The agent or the key itself.
    Own(&'static str),
}

impl Bounded<'_> {
    fn decision(&self, effect: Effect, reason: String) -> Decision {
        let policy = match self {
            Self::Policy(policy) => Some(policy),
            Self::Own(_) => None,
        };
        Decision {
            policy_id: policy.map(|policy| policy.id.to_string()),
            policy_name: policy.map(|policy| policy.name.to_string()),
            version: policy.map(|policy| policy.version),
            mode: policy.map(|policy| policy.mode),
            rule: match self {
                Self::Policy(policy) => policy.rule_type.to_owned(),
                Self::Own(name) => (*name).to_owned(),
            },
            effect,
            reason: Some(reason),
        }
    }
}

/// The limits that stand on the key and on its agent, with what each counts.
pub fn own_limits(key: &KeyEntry) -> impl Iterator<Item = (&'static str, Counter, u64)> {
    let agent = key
        .agent
        .as_ref()
        .map(|agent| ("agent.rate_limit", agent.id().uuid(), Subject::Agent(agent.id()), agent.limits));
    let own = ("virtual_key.rate_limit", key.key.id().uuid(), Subject::Key(key.key.id()), key.key.limits);
    agent.into_iter().chain([own]).flat_map(|(name, rule, subject, limits)| {
        let units = [
            (Unit::RequestsPerMinute, limits.rate_limit_rpm),
            (Unit::RequestsPerHour, limits.rate_limit_rph),
            (Unit::ConcurrentRequests, limits.max_concurrent),
        ];
        units.into_iter().filter_map(move |(unit, most)| {
            Some((name, Counter { rule, subject: subject.clone(), unit }, u64::from(most?)))
        })
    })
}

fn reached(exchange: &Exchange, refused: &Refused) -> Refusal {
    let Refused::Reached { standing, .. } = refused else {
        return Refusal::new(Code::Overloaded, "There is no room to count another run or address.");
    };
    let Standing { scope, unit, limit, reset, .. } = standing;
    let message = format!("Rate limit reached: {limit} {}.", unit.as_str().replace('_', " "));
    let mut refusal = Refusal::new(Code::RateLimitExceeded, message).details(json!({
        "scope": scope,
        "limit": limit,
        "unit": unit.as_str(),
        "resetsAt": exchange.record.created_at.plus(*reset),
    }));
    refusal.retry_after = refused.retry_after_seconds();
    refusal
}

/// Whose count the request is in; `None` where it is in nobody's.
pub fn subject(record: &ExchangeRecord, per: Per) -> Option<Subject> {
    let key = record.virtual_key_id;
    match per {
        Per::Workspace => Some(Subject::Workspace),
        Per::Key => Some(Subject::Key(key)),
        // An agent that nobody registered is as good as its key.
        Per::Agent => Some(record.agent.id.map_or(Subject::Key(key), Subject::Agent)),
        Per::Run => record.attribution.run_id.clone().map(Subject::Run),
        Per::Ip => record.client_ip.map(Subject::ip),
    }
}

/// What a limit counts, and up to where.
pub fn units(limit: &RateLimit) -> impl Iterator<Item = (Unit, u64)> {
    let units = [
        (Unit::RequestsPerMinute, limit.requests_per_minute),
        (Unit::RequestsPerHour, limit.requests_per_hour),
        (Unit::RequestsPerDay, limit.requests_per_day),
        (Unit::TokensPerMinute, limit.tokens_per_minute),
        (Unit::ConcurrentRequests, limit.max_concurrent),
    ];
    units.into_iter().filter_map(|(unit, most)| Some((unit, most?)))
}
