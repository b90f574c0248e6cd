//! Made-up traffic of many agents over many days, the same for the same seed: what a log is filled with.
//!
//! Requests come at even times. Some forty runs are open at a time; each request is the next step of one of them. Ids are
//! made of the seed and a number, so that readers can ask for requests and runs without having seen them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use rungate_core::activity::{AgentStamp, Attribution, Step, StepKind, Trust};
use rungate_core::code::Code;
use rungate_core::exchange::{Attempt, Body, CostStatus, Entry, ExchangeRecord, Outcome};
use rungate_core::id::{
    AgentId, ExchangeId, ExternalId, ProviderKeyId, RequestId, RunId, SessionId, UserId, VirtualKeyId,
    WorkspaceId, uuid_v7,
};
use rungate_core::money::NanoUsd;
use rungate_core::operation::Kind;
use rungate_core::time::Timestamp;
use rungate_core::usage::{Usage, UsageSource};

use crate::random::Random;
use crate::words;

/// Runs that are open at a time.
const OPEN_RUNS: usize = 40;
/// Steps of a run.
const STEPS: (u64, u64) = (3, 40);
/// Runs of a session.
const SESSION_RUNS: u64 = 3;
const USERS: u64 = 2_000;
const PREVIEW_BYTES: usize = 120;
/// A body's first step, and what each further one adds.
const BODY_BYTES: (usize, usize) = (3_000, 700);
const ANSWER_BYTES: usize = 700;

/// Names of the agents.
pub const AGENTS: [&str; 12] = [
    "agt_support_bot",
    "agt_invoice_reader",
    "agt_code_reviewer",
    "agt_travel_adviser",
    "agt_data_analyst",
    "agt_sales_writer",
    "agt_contract_checker",
    "agt_incident_helper",
    "agt_translator",
    "agt_researcher",
    "agt_scheduler",
    "agt_quality_inspector",
];

/// A model: provider, id, and nano-dollars for an input and an output token.
struct Model(&'static str, &'static str, u64, u64);

const MODELS: [Model; 5] = [
    Model("openai", "gpt-4o-mini", 150, 600),
    Model("openai", "gpt-4o", 2_500, 10_000),
    Model("openai", "gpt-4.1", 2_000, 8_000),
    Model("anthropic", "claude-sonnet-4-5", 3_000, 15_000),
    Model("anthropic", "claude-haiku-4-5", 1_000, 5_000),
];

/// Which traffic.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many requests.
    pub requests: u64,
    /// Decides everything else.
    pub seed: u64,
    /// When it ends.
    pub until: Timestamp,
    /// How many days before it begins.
    pub days: u32,
    /// With bodies.
    pub bodies: bool,
}

impl Plan {
    /// The `x-request-id` of a request by its number.
    pub fn request_id(&self, number: u64) -> String {
        format!("req-{:x}-{number}", self.seed)
    }

    /// A run's id by its number.
    pub fn run_id(&self, number: u64) -> String {
        format!("run-{:x}-{number}", self.seed)
    }

    /// Runs that have surely begun.
    pub fn runs(&self) -> u64 {
        (self.requests / (STEPS.1 + 1)).max(1)
    }

    /// When request `number` comes.
    fn at(&self, number: u64) -> Timestamp {
        let micros = i128::from(self.days) * 86_400_000_000;
        let before = micros * i128::from(self.requests - number) / i128::from(self.requests);
        Timestamp::from_micros(self.until.micros() - i64::try_from(before).unwrap_or(0))
    }
}

/// A run that is open.
struct Run {
    number: u64,
    step: u64,
    steps: u64,
    agent: usize,
    model: usize,
    user: u64,
    history: Vec<u8>,
}

/// The traffic, one exchange after another, each as its closing.
pub struct Traffic {
    plan: Plan,
    workspace: WorkspaceId,
    random: Random,
    number: u64,
    runs: Vec<Run>,
    next_run: u64,
}

impl Traffic {
    /// The traffic of a workspace.
    pub fn new(plan: Plan, workspace: WorkspaceId) -> Self {
        let random = Random::new(plan.seed);
        let mut traffic = Self { plan, workspace, random, number: 0, runs: Vec::new(), next_run: 0 };
        for _ in 0..OPEN_RUNS {
            let run = traffic.begin_run();
            traffic.runs.push(run);
        }
        traffic
    }

    fn begin_run(&mut self) -> Run {
        let number = self.next_run;
        self.next_run += 1;
        // Some agents do more than others.
        let busiest = self.random.between(1, AGENTS.len() as u64);
        let agent = usize::try_from(self.random.below(busiest)).unwrap_or(0);
        let model = usize::try_from(self.random.below(MODELS.len() as u64)).unwrap_or(0);
        let user = self.random.below(USERS);
        let steps = self.random.between(STEPS.0, STEPS.1);
        Run { number, step: 0, steps, agent, model, user, history: Vec::new() }
    }

    fn exchange(&mut self, place: usize) -> Entry {
        let at = self.plan.at(self.number);
        let mut record = self.opened(place, at);
        self.answer(&mut record, place);
        let (request, response) = if self.plan.bodies { self.bodies(place) } else { (None, None) };
        record.request_bytes = request.as_ref().map_or(record.request_bytes, |body| body.bytes.len() as u64);
        record.response_bytes =
            response.as_ref().map_or(record.response_bytes, |body| body.bytes.len() as u64);
        Entry::Closed { record: Arc::new(record), request, response }
    }

    /// Who asks for what.
    fn opened(&mut self, place: usize, at: Timestamp) -> ExchangeRecord {
        let mut bits = [0; 10];
        bits[..8].copy_from_slice(&self.random.next().to_be_bytes());
        let run = &self.runs[place];
        let Model(_, model, ..) = MODELS[run.model];
        let agent_number = run.agent as u64;
        let agent = AgentStamp {
            id: Some(AgentId::new(numbered(1, agent_number))),
            external_id: ExternalId::parse(AGENTS[run.agent]).unwrap_or_else(|_| ExternalId::unknown()),
            name: Some(AGENTS[run.agent].replace('_', " ")),
            trust: Trust::AuthBound,
        };
        let id = ExchangeId::new(uuid_v7(at, bits));
        let key = VirtualKeyId::new(numbered(2, agent_number));
        let environment = self.random.pick(&["production", "production", "staging"]);
        let kind = if MODELS[run.model].0 == "anthropic" { Kind::Message } else { Kind::Chat };
        let path = if kind == Kind::Message { "/v1/messages" } else { "/v1/chat/completions" };
        ExchangeRecord {
            method: "POST".to_owned(),
            path: path.to_owned(),
            request_id: RequestId::parse(&self.plan.request_id(self.number)).ok(),
            virtual_key_label: format!("agent:{}", AGENTS[run.agent]),
            key_prefix: format!("vk-{agent_number:04}"),
            client_ip: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, u8::try_from(agent_number).unwrap_or(0)))),
            attribution: Attribution {
                run_id: RunId::parse(&self.plan.run_id(run.number)).ok(),
                session_id: SessionId::parse(&format!(
                    "session-{:x}-{}",
                    self.plan.seed,
                    run.number / SESSION_RUNS
                ))
                .ok(),
                user_id: UserId::parse(&format!("user-{}", run.user)).ok(),
                step: Step {
                    iteration: u32::try_from(run.step).ok(),
                    step_kind: Some(StepKind::LlmCall),
                    ..Step::default()
                },
                properties: [
                    ("environment", environment),
                    ("team", ["north", "south", "east"][run.agent % 3]),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
                ..Attribution::default()
            },
            requested_model: Some(model.to_owned()),
            stream: run.step.is_multiple_of(2),
            request_bytes: (BODY_BYTES.0 as u64) + run.step * BODY_BYTES.1 as u64,
            preview_in: self.text(PREVIEW_BYTES),
            ..ExchangeRecord::new(id, self.workspace, at, kind, agent, key)
        }
    }

    /// How it ended: mostly well.
    fn answer(&mut self, record: &mut ExchangeRecord, place: usize) {
        let run = &self.runs[place];
        let Model(provider, model, input_nano, output_nano) = MODELS[run.model];
        let (step, agent) = (run.step, run.agent as u64);
        let latency = self.random.between(300, 9_000);
        record.completed_at =
            Some(Timestamp::from_millis(record.created_at.millis() + i64::try_from(latency).unwrap_or(0)));
        record.latency_ms = Some(latency);
        record.overhead_us = Some(self.random.between(60, 400));
        record.cost_status = CostStatus::Final;
        record.cost = Some(NanoUsd::ZERO);
        let (outcome, status, error) = match self.random.below(100) {
            0 => (Outcome::Refused, 403, Some(Code::ModelNotAllowed)),
            1 => (Outcome::UpstreamFailed, 502, Some(Code::UpstreamUnreachable)),
            2 => (Outcome::ClientClosed, 499, None),
            _ => (Outcome::Succeeded, 200, None),
        };
        record.outcome = outcome;
        record.status = Some(status);
        record.error_code = error;
        record.error_message = error.map(|code| format!("Made up: {}.", code.as_str()));
        if outcome == Outcome::Refused {
            return;
        }
        let provider_key_id = ProviderKeyId::new(numbered(3, agent));
        record.model = Some(model.to_owned());
        record.provider = Some(provider.to_owned());
        record.provider_key_id = Some(provider_key_id);
        record.attempts = vec![Attempt {
            provider: provider.to_owned(),
            model: Some(model.to_owned()),
            provider_key_id,
            status: (outcome != Outcome::UpstreamFailed).then_some(200),
            upstream_request_id: None,
            latency_ms: latency,
            error_code: error,
            cost: None,
        }];
        if outcome == Outcome::UpstreamFailed {
            return;
        }
        let input = 700 + step * 180 + self.random.below(200);
        let output = self.random.between(20, 600);
        let cost = i64::try_from(input * input_nano + output * output_nano).unwrap_or(i64::MAX);
        record.usage = Some(Usage { input, output, cached_input: input / 2, ..Usage::default() });
        record.usage_source = UsageSource::Reported;
        record.cost = Some(NanoUsd::from_nanos(cost));
        record.price_snapshot_id = Some("made-up".to_owned());
        record.ttft_ms = Some(latency / 4);
        record.response_bytes = 400 + output * 4;
        record.preview_out = self.text(PREVIEW_BYTES);
    }

    fn text(&mut self, bytes: usize) -> String {
        let mut text = Vec::new();
        words::append(&mut text, bytes, &mut self.random);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The history of the run so far, and an answer.
    fn bodies(&mut self, place: usize) -> (Option<Body>, Option<Body>) {
        let history = &mut self.runs[place].history;
        let more = if history.is_empty() { BODY_BYTES.0 } else { BODY_BYTES.1 };
        words::append(history, more, &mut self.random);
        let kept =
            |bytes: Vec<u8>| Some(Body { bytes: Bytes::from(bytes), truncated: false, redacted: false });
        let message =
            |text: &[u8]| [br#"{"messages":[{"role":"user","content":""#, text, br#""}]}"#].concat();
        let request = message(history);
        let mut answer = Vec::new();
        words::append(&mut answer, ANSWER_BYTES, &mut self.random);
        (kept(request), kept(message(&answer)))
    }
}

impl Iterator for Traffic {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.number == self.plan.requests {
            return None;
        }
        let place = usize::try_from(self.random.below(OPEN_RUNS as u64)).unwrap_or(0);
        let entry = self.exchange(place);
        self.number += 1;
        self.runs[place].step += 1;
        if self.runs[place].step == self.runs[place].steps {
            self.runs[place] = self.begin_run();
        }
        Some(entry)
    }
}

/// A made-up id of a kind of resource.
fn numbered(kind: u128, number: u64) -> uuid::Uuid {
    uuid::Uuid::from_u128(
        (0xBE7C_0000_0000_4000_8000_0000_0000_0000_u128 | (kind << 32)) + u128::from(number),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn plan(requests: u64, bodies: bool) -> Plan {
        Plan {
            requests,
            seed: 42,
            until: Timestamp::parse("2026-11-25T00:00:00Z").unwrap(),
            days: 30,
            bodies,
        }
    }

    fn traffic(plan: &Plan) -> Vec<Entry> {
        Traffic::new(plan.clone(), WorkspaceId::new(uuid::Uuid::from_u128(1))).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_traffic() {
        assert_eq!(traffic(&plan(500, true)), traffic(&plan(500, true)));
        let other = Plan { seed: 43, ..plan(500, true) };
        assert_ne!(traffic(&plan(500, true)), traffic(&other));
    }

    #[test]
    fn it_comes_in_order_over_thirty_days() {
        let entries = traffic(&plan(3_000, false));
        let at = |entry: &Entry| entry.record().unwrap().created_at;
        assert!(entries.windows(2).all(|pair| at(&pair[0]) < at(&pair[1])));
        let days: BTreeSet<_> = entries.iter().map(|entry| at(entry).day().to_string()).collect();
        assert_eq!((days.len(), days.first().unwrap().as_str()), (30, "2026-10-26"));
        let ids: BTreeSet<_> = entries.iter().map(Entry::exchange_id).collect();
        assert_eq!(ids.len(), 3_000);
    }

    #[test]
    fn it_has_the_shape_of_agents_at_work() {
        let plan = plan(20_000, false);
        let entries = traffic(&plan);
        let mut steps: BTreeMap<String, u64> = BTreeMap::new();
        for entry in &entries {
            let run = entry.record().unwrap().attribution.run_id.as_ref().unwrap();
            *steps.entry(run.to_string()).or_default() += 1;
        }
        assert!(steps.values().all(|steps| *steps <= STEPS.1));
        let average = entries.len() / steps.len();
        assert!((12..=28).contains(&average), "{average} steps");
        assert!((0..plan.runs()).all(|number| steps.contains_key(&plan.run_id(number))));
        let count =
            |outcome| entries.iter().filter(|entry| entry.record().unwrap().outcome == outcome).count();
        assert!((18_800..=19_800).contains(&count(Outcome::Succeeded)));
        assert!(count(Outcome::Refused) > 50 && count(Outcome::UpstreamFailed) > 50);
        let agents: BTreeSet<_> =
            entries.iter().map(|entry| entry.record().unwrap().agent.external_id.to_string()).collect();
        assert_eq!(agents.len(), AGENTS.len());
        assert!(entries.iter().all(|entry| entry.record().unwrap().cost.is_some()));
    }

    #[test]
    fn bodies_of_a_run_begin_with_those_before() {
        let mut of_run: Vec<Bytes> = Vec::new();
        for entry in traffic(&plan(600, true)) {
            let Entry::Closed { record, request, response } = entry else { panic!("only closings") };
            assert!(response.is_some());
            if record.attribution.run_id.as_ref().unwrap().as_str() == "run-2a-0" {
                of_run.push(request.unwrap().bytes);
            }
        }
        assert!(of_run.len() >= 3);
        assert!(of_run.windows(2).all(|pair| pair[1].starts_with(&pair[0][..pair[0].len() - 4])));
    }
}
