//! Made-up exchanges, the same for the same seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rungate_core::activity::{AgentStamp, Attribution, Step, Trust};
use rungate_core::code::Code;
use rungate_core::exchange::{Body, CostStatus, Entry, ExchangeRecord, Outcome, Sequence, Sequenced};
use rungate_core::id::{
    AgentId, ExchangeId, ExternalId, MemberId, ProviderKeyId, RequestId, RunId, SessionId, TraceId, UserId,
    VirtualKeyId, WorkspaceId, uuid_v7,
};
use rungate_core::money::NanoUsd;
use rungate_core::operation::Kind;
use rungate_core::time::{Day, Timestamp};
use rungate_core::usage::{Usage, UsageSource};
use uuid::Uuid;

/// The workspace most tests use.
pub(crate) const OURS: WorkspaceId = WorkspaceId::new(Uuid::from_u128(1));
/// Another one.
pub(crate) const THEIRS: WorkspaceId = WorkspaceId::new(Uuid::from_u128(2));

/// The first day of all made-up traffic.
pub(crate) fn first_day() -> Day {
    Day::parse("2026-11-20").unwrap()
}

/// A time on day `day` of the made-up traffic.
pub(crate) fn at(day: i32, micros: i64) -> Timestamp {
    Timestamp::from_micros(first_day().plus(day).start().micros() + micros)
}

/// Numbers that only look random.
pub(crate) struct Random(u64);

impl Random {
    /// The same numbers for the same seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    /// A number below `end`.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// One of `choices`.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let place = usize::try_from(self.below(choices.len() as u64)).unwrap();
        &choices[place]
    }

    /// One of `choices`, in two of three cases.
    pub fn choice<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let choice = *self.pick(choices);
        self.maybe(choice)
    }

    /// `name` with a number below `end`, in two of three cases.
    pub fn name(&mut self, name: &str, end: u64) -> Option<String> {
        let name = format!("{name}-{}", self.below(end));
        self.maybe(name)
    }

    /// `value` in two of three cases.
    pub fn maybe<T>(&mut self, value: T) -> Option<T> {
        (self.below(3) > 0).then_some(value)
    }
}

/// A plain exchange that succeeded.
pub(crate) fn exchange(number: u64, workspace: WorkspaceId, created_at: Timestamp) -> ExchangeRecord {
    let mut random = [0; 10];
    random[..2].copy_from_slice(&workspace.uuid().as_bytes()[14..]);
    random[2..].copy_from_slice(&number.to_be_bytes());
    let agent = AgentStamp {
        id: None,
        external_id: ExternalId::parse("agt_plain").unwrap(),
        name: None,
        trust: Trust::AuthBound,
    };
    ExchangeRecord {
        completed_at: Some(Timestamp::from_millis(created_at.millis() + 250)),
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        virtual_key_label: "plain key".to_owned(),
        key_prefix: "vk-0123".to_owned(),
        outcome: Outcome::Succeeded,
        status: Some(200),
        requested_model: Some("gpt-5".to_owned()),
        model: Some("gpt-5-2026".to_owned()),
        provider: Some("openai".to_owned()),
        usage: Some(Usage { input: 10, output: 5, ..Usage::default() }),
        usage_source: UsageSource::Reported,
        cost: Some(NanoUsd::from_nanos(1_000)),
        cost_status: CostStatus::Final,
        latency_ms: Some(250),
        request_bytes: 100,
        response_bytes: 200,
        ..ExchangeRecord::new(
            ExchangeId::new(uuid_v7(created_at, random)),
            workspace,
            created_at,
            Kind::Chat,
            agent,
            VirtualKeyId::new(Uuid::from_u128(7)),
        )
    }
}

/// An exchange with any fields, on one of three days.
pub(crate) fn any_exchange(number: u64, workspace: WorkspaceId, random: &mut Random) -> ExchangeRecord {
    let day = i32::try_from(random.below(3)).unwrap();
    // Few times, so that some are the same.
    let micros = i64::try_from(random.below(40) * 2_000_000_123).unwrap();
    let mut record = exchange(number, workspace, at(day, micros));
    let id = |number: u64| Uuid::from_u128(u128::from(number) + 100);
    let agent = random.below(4);
    record.agent = AgentStamp {
        id: (agent > 0).then(|| AgentId::new(id(agent))),
        external_id: ExternalId::parse(&format!("agt_{agent}")).unwrap(),
        name: random.maybe(format!("Agent {agent}")),
        trust: Trust::RegistryVerified,
    };
    record.request_id = random.name("req", 5).map(|id| RequestId::parse(&id).unwrap());
    record.attribution = Attribution {
        run_id: random.name("run", 6).map(|id| RunId::parse(&id).unwrap()),
        session_id: random.name("ses", 3).map(|id| SessionId::parse(&id).unwrap()),
        session_path: random.maybe("/a/b".to_owned()),
        session_name: random.name("Session", 3),
        trace_id: random.name("trace", 4).map(|id| TraceId::parse(&id).unwrap()),
        otel_trace_id: None,
        user_id: random.name("user", 4).map(|id| UserId::parse(&id).unwrap()),
        step: Step::default(),
        properties: [
            random.choice(&["prod", "dev"]).map(|value| ("env".to_owned(), value.to_owned())),
            random
                .choice(&["Äpfel", "pears", "100%_real"])
                .map(|value| ("team".to_owned(), value.to_owned())),
        ]
        .into_iter()
        .flatten()
        .collect(),
    };
    record.virtual_key_id = VirtualKeyId::new(id(random.below(3)));
    record.member_id = random.choice(&[0, 1, 2]).map(|number| MemberId::new(id(number)));
    record.provider_key_id = random.choice(&[0, 1, 2]).map(|number| ProviderKeyId::new(id(number)));
    record.requested_model = random.choice(&["gpt-5", "claude-5"]).map(str::to_owned);
    record.model = random.choice(&["gpt-5", "gpt-5-mini"]).map(str::to_owned);
    record.provider = random.choice(&["openai", "anthropic"]).map(str::to_owned);
    record.kind = *random.pick(&[Kind::Chat, Kind::Message, Kind::Embedding]);
    record.cost =
        Some(i64::try_from(random.below(5_000)).unwrap()).filter(|cost| *cost > 500).map(NanoUsd::from_nanos);
    record.reserved = random.maybe(NanoUsd::from_nanos(7_000));
    record.latency_ms = Some(random.below(2_000)).filter(|latency| *latency > 300);
    let usage = Usage { input: random.below(1_000), output: random.below(1_000), ..Usage::default() };
    record.usage = random.maybe(usage);
    record.response_id = random.name("resp", 9);
    record.preview_in = (*random.pick(&["Hello World", "what is 50% of x_y?", ""])).to_owned();
    let outcomes = [
        (Outcome::Succeeded, 200, None),
        (Outcome::Succeeded, 201, None),
        (Outcome::Refused, 403, Some(Code::ModelNotAllowed)),
        (Outcome::Refused, 400, Some(Code::InvalidJson)),
        (Outcome::ClientClosed, 499, None),
        (Outcome::UpstreamFailed, 502, None),
    ];
    let (outcome, status, error_code) = *random.pick(&outcomes);
    record.outcome = outcome;
    record.status = Some(status);
    record.error_code = error_code;
    record.error_message = error_code.map(|code| format!("Because of {}", code.as_str()));
    record
}

/// A record as its opening has it.
pub(crate) fn opening(record: &ExchangeRecord) -> ExchangeRecord {
    ExchangeRecord {
        outcome: Outcome::Pending,
        completed_at: None,
        status: None,
        error_code: None,
        error_message: None,
        model: None,
        provider: None,
        provider_key_id: None,
        usage: None,
        usage_source: UsageSource::Unknown,
        cost: None,
        cost_status: CostStatus::Pending,
        latency_ms: None,
        response_id: None,
        ..record.clone()
    }
}

/// An opening without a body.
pub(crate) fn opened(record: &ExchangeRecord) -> Entry {
    Entry::Opened { record: Arc::new(opening(record)), request: None }
}

/// A closing without bodies.
pub(crate) fn closed(record: &ExchangeRecord) -> Entry {
    Entry::Closed { record: Arc::new(record.clone()), request: None, response: None }
}

/// A body of these bytes.
pub(crate) fn body(bytes: impl Into<Bytes>) -> Body {
    Body { bytes: bytes.into(), truncated: false, redacted: false }
}

/// Entries numbered from `first` on.
pub(crate) fn numbered(first: u64, entries: impl IntoIterator<Item = Entry>) -> Vec<Sequenced> {
    (first..).zip(entries).map(|(number, entry)| Sequenced::new(Sequence(number), entry).unwrap()).collect()
}

/// The journal of `count` exchanges of any kind over three days: refusals come whole, openings are closed some time later
/// or stay open.
pub(crate) fn any_journal(seed: u64, workspace: WorkspaceId, count: u64) -> Vec<Entry> {
    let mut random = Random::new(seed);
    let mut journal = Vec::new();
    let mut open = Vec::new();
    for number in 0..count {
        let record = any_exchange(number, workspace, &mut random);
        if record.outcome == Outcome::Refused {
            journal.push(closed(&record));
        } else {
            let request = random.maybe(body(format!("request {number}")));
            journal.push(Entry::Opened { record: Arc::new(opening(&record)), request });
            open.push(record);
        }
        while !open.is_empty() && random.below(3) > 0 {
            let place = usize::try_from(random.below(open.len() as u64)).unwrap();
            let record = open.swap_remove(place);
            let response = random.maybe(body(format!("response {}", record.id)));
            journal.push(Entry::Closed { record: Arc::new(record), request: None, response });
        }
    }
    journal
}

/// The last record of each exchange in a journal.
pub(crate) fn last_records(journal: &[Entry]) -> Vec<ExchangeRecord> {
    let mut records: BTreeMap<ExchangeId, ExchangeRecord> = BTreeMap::new();
    for entry in journal {
        let record = entry.record().unwrap();
        records.insert(record.id, ExchangeRecord::clone(record));
    }
    records.into_values().collect()
}
