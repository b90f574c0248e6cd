//! Made-up exchanges.

use std::collections::BTreeMap;
use std::time::Duration;

use rungate_core::activity::{AgentStamp, Attribution, Trust};
use rungate_core::code::Code;
use rungate_core::exchange::{Attempt, CostStatus, ExchangeRecord, Outcome};
use rungate_core::id::{
    CallerId, ExchangeId, ExternalId, ProviderKeyId, RequestId, RunId, SessionId, TraceId, UserId,
    VirtualKeyId, uuid_v7,
};
use rungate_core::money::NanoUsd;
use rungate_core::operation::Kind;
use rungate_core::usage::{Usage, UsageSource};
use uuid::Uuid;

use crate::world::{AGENT, AGENT_KEY, MEMBER, MEMBER_KEY, OURS, agent_name, noon};

/// A provider key that nobody needs to open.
pub const PROVIDER_KEY: ProviderKeyId = ProviderKeyId::new(Uuid::from_u128(0xA5));
/// A key of nobody that tests log in as.
pub const OTHER_KEY: VirtualKeyId = VirtualKeyId::new(Uuid::from_u128(0xA6));

/// A plain exchange that succeeded, `minutes` before noon.
pub fn exchange(number: u8, minutes: u64) -> ExchangeRecord {
    let created_at = noon().minus(Duration::from_mins(minutes));
    ExchangeRecord {
        id: ExchangeId::new(uuid_v7(created_at, [number; 10])),
        workspace_id: OURS,
        created_at,
        completed_at: Some(created_at.plus(Duration::from_millis(812))),
        kind: Kind::Chat,
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        request_id: None,
        agent: AgentStamp {
            id: Some(AGENT),
            external_id: agent_name(),
            name: Some("Support Bot".to_owned()),
            trust: Trust::AuthBound,
        },
        attribution: Attribution::default(),
        virtual_key_id: AGENT_KEY,
        virtual_key_label: "agent:support-bot".to_owned(),
        key_prefix: "vk-agent-a3f8c2".to_owned(),
        member_id: None,
        client_ip: None,
        country: None,
        outcome: Outcome::Succeeded,
        status: Some(200),
        error_code: None,
        error_message: None,
        warnings: Vec::new(),
        decisions: Vec::new(),
        requested_model: Some("openai/gpt-4o-mini".to_owned()),
        model: Some("gpt-4o-mini".to_owned()),
        provider: Some("openai".to_owned()),
        provider_key_id: Some(PROVIDER_KEY),
        stream: false,
        attempts: vec![Attempt {
            provider: "openai".to_owned(),
            model: Some("gpt-4o-mini".to_owned()),
            provider_key_id: PROVIDER_KEY,
            status: Some(200),
            upstream_request_id: Some("req_1".to_owned()),
            latency_ms: 700,
            error_code: None,
            cost: None,
        }],
        usage: Some(Usage { input: 40, output: 10, ..Usage::default() }),
        usage_source: UsageSource::Reported,
        cost: Some(NanoUsd::from_nanos(12_000)),
        cost_status: CostStatus::Final,
        reserved: None,
        price_snapshot_id: Some("snapshot".to_owned()),
        cache: None,
        cache_saved: None,
        latency_ms: Some(812),
        ttft_ms: Some(700),
        overhead_us: Some(1_250),
        request_bytes: 100,
        response_bytes: 400,
        preview_in: "hello".to_owned(),
        preview_out: "Hi there".to_owned(),
        response_id: None,
    }
}

/// The same exchange before it ended.
pub fn opened(record: &ExchangeRecord) -> ExchangeRecord {
    ExchangeRecord {
        completed_at: None,
        outcome: Outcome::Pending,
        status: None,
        usage: None,
        usage_source: UsageSource::Unknown,
        cost: None,
        cost_status: CostStatus::Pending,
        latency_ms: None,
        ..record.clone()
    }
}

/// A request id.
pub fn request_id(text: &str) -> Option<RequestId> {
    RequestId::parse(text).ok()
}

/// A run id.
pub fn run_id(text: &str) -> Option<RunId> {
    RunId::parse(text).ok()
}

/// A session id.
pub fn session_id(text: &str) -> Option<SessionId> {
    SessionId::parse(text).ok()
}

/// A step id.
pub fn step_id(text: &str) -> Option<CallerId> {
    CallerId::parse(text).ok()
}

/// Exchanges that differ in everything that a filter can ask for, one a minute.
pub fn variety() -> Vec<ExchangeRecord> {
    (0..12).map(|number| various(number, exchange(number + 1, 60 + u64::from(number)))).collect()
}

fn various(number: u8, mut record: ExchangeRecord) -> ExchangeRecord {
    let odd = number % 2 == 1;
    record.request_id = request_id(["one", "two", "three"][usize::from(number % 3)]);
    record.attribution = Attribution {
        run_id: run_id(["run_1", "run/2", "run_3", "run_4"][usize::from(number % 4)]),
        session_id: session_id(if odd { "s1" } else { "s2" }),
        trace_id: Some(TraceId::parse(&format!("trace-{}", number % 3)).unwrap()),
        user_id: Some(UserId::parse(if number < 6 { "ann" } else { "bob" }).unwrap()),
        properties: properties(&[
            ("env", if odd { "prod" } else { "test" }),
            ("team", ["a", "b"][usize::from(number / 6)]),
        ]),
        ..Attribution::default()
    };
    if number.is_multiple_of(3) {
        record.agent = AgentStamp {
            id: None,
            external_id: ExternalId::parse("agt_other").unwrap(),
            name: None,
            trust: Trust::SelfReported,
        };
        record.virtual_key_id = MEMBER_KEY;
        record.member_id = Some(MEMBER);
    }
    if number >= 8 {
        record.kind = Kind::Embedding;
        record.provider = Some("mistral".to_owned());
        record.model = Some("mistral-embed".to_owned());
        record.requested_model = Some("embed".to_owned());
        record.provider_key_id = None;
        record.latency_ms = Some(2_000 + u64::from(number));
        record.cost = None;
        record.cost_status = CostStatus::Unknown;
    }
    if number % 5 == 2 {
        record.outcome = Outcome::Refused;
        record.status = Some(429);
        record.error_code = Some(Code::RateLimitExceeded);
        record.error_message = Some("Slow Down, please".to_owned());
        record.cost = Some(NanoUsd::ZERO);
        record.cost_status = CostStatus::Final;
    }
    record
}

/// Properties.
pub fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
